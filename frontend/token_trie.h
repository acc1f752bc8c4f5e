// The bytes of all ids of a vocabulary as a tree: what ids have in common is walked once. Made once
// per tokenizer; immutable, any thread may use one.
#pragma once

#include <cstdint>
#include <memory>
#include <span>
#include <string>
#include <string_view>
#include <vector>

#include "runtime/status.h"

namespace bitnetc {

class Tokenizer;

class TokenTrie {
 public:
  using Ptr = std::shared_ptr<const TokenTrie>;

  // Nodes in the order in which a walk from the root meets them, the root left out: a node's
  // children follow it.
  struct Node {
    uint8_t byte = 0;
    uint16_t depth = 0;     // bytes up to and with this one
    uint32_t end = 0;       // the node behind its last descendant
    uint32_t first_id = 0;  // of the ids that end here, in ids()
    uint32_t ids = 0;       // how many
  };
  // The ids of texts; those of an empty text are left out.
  class Tree {
   public:
    explicit Tree(const std::vector<std::string>& texts);
    std::span<const Node> nodes() const { return nodes_; }
    std::span<const int32_t> ids_at(const Node& node) const {
      return std::span(ids_).subspan(node.first_id, node.ids);
    }

   private:
    std::vector<Node> nodes_;
    std::vector<int32_t> ids_;
  };

  // Special tokens are in no tree. Error: as Tokenizer::token_bytes().
  static Result<Ptr> create(const Tokenizer& tokenizer);
  // Of ids whose bytes are `texts`, wherever they stand.
  explicit TokenTrie(std::vector<std::string> texts);

  // A plain id is of 1 to kMostPlain whole characters that any string of any notation may hold: no
  // control character, quotation mark or backslash.
  static constexpr size_t kMostPlain = 24;
  const std::vector<uint64_t>& plain_ids() const { return plain_ids_; }  // a bit of each id
  const Tree& other_tree() const { return *other_; }  // of ids that are not plain
  // Of the first token of a text, or of a later one; the same where that makes no difference.
  const Tree& tree(bool as_first) const { return as_first && first_ ? *first_ : later_; }
  bool has_first() const { return first_ != nullptr; }
  std::string_view text(int32_t id, bool as_first) const;
  int32_t id_end() const { return static_cast<int32_t>(texts_.size()); }

 private:
  std::vector<std::string> texts_, first_texts_;
  Tree later_;
  std::vector<uint64_t> plain_ids_;
  std::unique_ptr<const Tree> other_;
  std::unique_ptr<const Tree> first_;
};

}  // namespace bitnetc
