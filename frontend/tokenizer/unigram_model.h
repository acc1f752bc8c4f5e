// The unigram model: of all ways to cut a piece into tokens, the one whose scores add up to most.
#pragma once

#include <cstdint>
#include <memory>
#include <optional>
#include <span>
#include <string_view>
#include <vector>

#include "frontend/tokenizer/token_model.h"
#include "frontend/tokenizer/vocabulary.h"

namespace bitnetc {

struct UnigramOptions {
  std::optional<int32_t> unk_id;
  bool byte_fallback = false;  // what has no token becomes its bytes, <0x00> to <0xFF>
};

class UnigramModel final : public TokenModel {
 public:
  // `scores` by id, of every token of `vocabulary`, which outlives the model.
  // Error: kUnsupported for a token of more than kMaxTokenBytes, kDataCorrupt for an empty one or a
  // score that is not a number.
  static Result<UnigramModel> create(const Vocabulary& vocabulary, std::span<const double> scores,
                                     const UnigramOptions& options);

  // Time is linear in the piece, times the length of the longest token.
  static constexpr size_t kMaxTokenBytes = 1024;

  std::unique_ptr<ModelScratch> make_scratch() const override;
  Status encode(std::string_view piece, ModelScratch& scratch,
                std::vector<int32_t>& ids) const override;
  std::optional<int32_t> unk_id() const override { return options_.unk_id; }

 private:
  class Scratch;
  // A tree of the tokens, byte by byte. The children of a node lie side by side, in order.
  struct Node {
    uint32_t first_child = 0;
    uint16_t children = 0;
    uint8_t byte = 0;
    int32_t id = -1;  // of the token that ends here
  };

  UnigramModel(const Vocabulary& vocabulary, const UnigramOptions& options)
      : vocabulary_(&vocabulary), options_(options) {}
  void build_tree();
  const Node* child(const Node& node, uint8_t byte) const;
  Status find_best_path(std::string_view piece, Scratch& scratch) const;
  Status append_unknown(std::string_view text, std::vector<int32_t>& ids) const;

  const Vocabulary* vocabulary_;
  UnigramOptions options_;
  std::vector<double> scores_;  // by id
  double unk_score_ = 0;
  std::vector<Node> nodes_;
};

}  // namespace bitnetc
