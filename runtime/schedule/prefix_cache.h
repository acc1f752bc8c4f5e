// The KV pages of running requests, and what is kept of ended ones: both in one PrefixTree under
// one limit. A request is promised the pages it can need at most when it is admitted, so none ever
// waits for another to end. Used by one thread at a time.
//
//   promised   pages that running requests can need and do not have in the tree
//   used       pages of the tree that running requests use
//   room       limit - used - promised: what the next request can be promised. Everything else in
//              the tree can be evicted, since who uses a page uses all above it
#pragma once

#include <cstdint>
#include <memory>
#include <span>

#include "runtime/schedule/prefix_tree.h"
#include "runtime/sequence.h"

namespace bitnetc {

// A sequence whose full pages are nodes of the tree, from position 0 on.
class CachedSequence {
 public:
  Sequence& sequence() { return sequence_; }
  const Sequence& sequence() const { return sequence_; }
  // Whether the next position begins a page behind the same tokens as that of `other`.
  bool continues_like(const CachedSequence& other) const {
    return node_ == other.node_ && sequence_.length() == first_own();
  }
  // The first position that is not in the tree.
  int64_t first_own() const { return tree_pages_ * KvLayout::kPagePositions; }

 private:
  friend class PrefixCache;
  CachedSequence(std::shared_ptr<KvPool> pool, PrefixTree::Node& root, int64_t most_pages)
      : sequence_(std::move(pool)), node_(&root), most_pages_(most_pages) {}

  Sequence sequence_;
  PrefixTree::Node* node_;  // of its last page that is in the tree
  int64_t tree_pages_ = 0;
  const int64_t most_pages_;
};

class PrefixCache {
 public:
  using Tokens = std::span<const int32_t>;  // of a sequence, from position 0 on

  PrefixCache(std::shared_ptr<KvPool> pool, int64_t page_limit)
      : pool_(std::move(pool)), page_limit_(page_limit) {}

  // A sequence that will need at most `most_pages` pages, with the full pages of `reusable` that
  // the tree has. Null: there is no room for it now; there is when no other runs. Checked:
  // most_pages is within the limit.
  std::unique_ptr<CachedSequence> admit(Tokens reusable, int64_t most_pages);
  // Appends the full pages of `reusable` that the tree has behind the positions that are there,
  // when the next one begins a page.
  void extend(CachedSequence& cached, Tokens reusable);
  // Appends a copy of the part of a page: the one that has the most of `reusable`, likewise.
  void extend_by_part(CachedSequence& cached, Tokens reusable);
  // Evicts until `pages` more can be taken, or nothing is left to evict.
  void make_room(int64_t pages);
  // Brings pages that are full now into the tree; `tokens` are those of the sequence.
  void keep_full_pages(CachedSequence& cached, Tokens tokens);
  // The sequence has ended, and all its positions are kept, or only those that are in the tree.
  void keep(std::unique_ptr<CachedSequence> cached, Tokens tokens);
  void drop(std::unique_ptr<CachedSequence> cached);
  bool evict() { return tree_.evict(); }  // whether there was a page to evict
  void clear();

  int64_t page_limit() const { return page_limit_; }
  int64_t room() const { return page_limit_ - tree_.pages_in_use() - promised_; }
  const PrefixTree& tree() const { return tree_; }

 private:
  void use(CachedSequence& cached, PrefixTree::Node& node);

  const std::shared_ptr<KvPool> pool_;
  const int64_t page_limit_;
  PrefixTree tree_;
  int64_t promised_ = 0;
};

}  // namespace bitnetc
