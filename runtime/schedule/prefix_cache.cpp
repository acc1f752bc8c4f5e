#include "runtime/schedule/prefix_cache.h"

#include <algorithm>

namespace bitnetc {
namespace {

constexpr int64_t kPage = KvLayout::kPagePositions;

// What stands on the page that begins at `position`; may be less than a page.
PrefixTree::Ids page_ids(PrefixCache::Tokens tokens, int64_t position) {
  const auto from = static_cast<size_t>(std::min<int64_t>(position, std::ssize(tokens)));
  return tokens.subspan(from, std::min<size_t>(kPage, tokens.size() - from));
}

}  // namespace

std::unique_ptr<CachedSequence> PrefixCache::admit(Tokens reusable, int64_t most_pages) {
  BITNETC_CHECK(most_pages <= page_limit_, "{} pages of {}", most_pages, page_limit_);
  int64_t shared = 0, idle = 0;
  const PrefixTree::Node* node = &tree_.root();
  for (int64_t at = 0; at + kPage <= std::ssize(reusable); at += kPage) {
    node = tree_.find(*node, page_ids(reusable, at));
    if (node == nullptr) break;
    ++shared;
    if (node->users() == 0) ++idle;
  }
  if (room() - idle < most_pages - shared) return nullptr;
  std::unique_ptr<CachedSequence> cached(new CachedSequence(pool_, tree_.root(), most_pages));
  promised_ += most_pages;
  extend(*cached, reusable);
  return cached;
}

void PrefixCache::extend(CachedSequence& cached, Tokens reusable) {
  Sequence& sequence = cached.sequence_;
  if (sequence.length() != cached.first_own()) return;
  for (;;) {
    const PrefixTree::Ids ids = page_ids(reusable, sequence.length());
    if (std::ssize(ids) < kPage) return;
    PrefixTree::Node* const node = tree_.find(*cached.node_, ids);
    if (node == nullptr) return;
    sequence.adopt(node->page(), kPage);
    use(cached, *node);
  }
}

void PrefixCache::extend_by_part(CachedSequence& cached, Tokens reusable) {
  Sequence& sequence = cached.sequence_;
  const int64_t before = sequence.length();
  if (before != cached.first_own()) return;
  const auto [node, count] = tree_.closest(*cached.node_, page_ids(reusable, before));
  if (node == nullptr) return;
  tree_.touch(*node);
  sequence.adopt(node->page(), count);
  // Where that page itself must go, it is the sequence's own, and needs no copy.
  make_room(1);
  // Where memory is refused, the positions are computed instead.
  if (!sequence.reserve(1).ok()) sequence.truncate(before);
}

void PrefixCache::use(CachedSequence& cached, PrefixTree::Node& node) {
  tree_.use(node);
  cached.node_ = &node;
  ++cached.tree_pages_;
  --promised_;
}

void PrefixCache::make_room(int64_t pages) {
  while (pool_->pages_in_use() + pages > page_limit_ && tree_.evict()) continue;
}

void PrefixCache::keep_full_pages(CachedSequence& cached, Tokens tokens) {
  Sequence& sequence = cached.sequence_;
  while (sequence.length() - cached.first_own() >= kPage) {
    const int64_t index = cached.tree_pages_;
    PrefixTree::Node& node =
        tree_.add(*cached.node_, page_ids(tokens, cached.first_own()), sequence.page(index));
    // Another has computed the same page meanwhile.
    if (node.page() != sequence.page(index)) sequence.replace_page(index, node.page());
    use(cached, node);
  }
}

void PrefixCache::keep(std::unique_ptr<CachedSequence> cached, Tokens tokens) {
  keep_full_pages(*cached, tokens);
  const int64_t first = cached->first_own(), count = cached->sequence_.length() - first;
  if (count > 0)
    tree_.add(*cached->node_, page_ids(tokens, first).first(static_cast<size_t>(count)),
              cached->sequence_.page(cached->tree_pages_));
  drop(std::move(cached));
}

void PrefixCache::drop(std::unique_ptr<CachedSequence> cached) {
  if (cached->tree_pages_ > 0) tree_.leave(*cached->node_);
  promised_ -= cached->most_pages_ - cached->tree_pages_;
}

void PrefixCache::clear() {
  while (tree_.evict()) continue;
}

}  // namespace bitnetc
