// One sequence of tokens as the model has seen it: the keys and values of its positions. An
// Executor appends to it; its owner may shorten it, or fork it. A fork shares the pages both have;
// the first to write to a shared page gets a copy. Used by one thread at a time; sequences of one
// pool may live on different threads.
#pragma once

#include <cstdint>
#include <memory>
#include <span>
#include <vector>

#include "runtime/kv_cache.h"

namespace bitnetc {

class Sequence {
 public:
  explicit Sequence(std::shared_ptr<KvPool> pool) : pool_(std::move(pool)) {}
  Sequence(Sequence&&) = default;
  Sequence& operator=(Sequence&&) = default;

  int64_t length() const { return length_; }  // positions appended
  // Forgets the positions from `length` on. Checked: 0 <= length <= length().
  void truncate(int64_t length);
  Sequence fork() const;
  int64_t pages() const { return static_cast<int64_t>(pages_.size()); }

  // For caches of prefixes. The page of the positions from 64 * index on, shared with the caller;
  // checked: index < pages().
  KvPage page(int64_t index) const;
  // Takes `page` for the one that is there, whose positions hold the same tokens: then they hold
  // the same bits. Checked: index < pages(), a page of the same layout.
  void replace_page(int64_t index, KvPage page);
  // Appends `count` positions, the first of `page`, which others computed behind the same tokens.
  // Checked: length() is a multiple of a page and nothing is reserved, 1 <= count <= 64, a page of
  // the same layout.
  void adopt(KvPage page, int64_t count);

  // For executors. Makes the positions [length(), length() + count) writable: takes missing pages
  // and copies shared ones. Changes no position that is there. Error: as KvPool::take().
  Status reserve(int64_t count);
  // Says that `count` reserved positions now hold keys and values.
  void commit(int64_t count);
  // The memory of each page, by position / KvLayout::kPagePositions; valid until the next call of a
  // member.
  std::span<uint16_t* const> page_table() const { return table_; }
  const KvPool* pool() const { return pool_.get(); }

 private:
  void check_size(const KvPageMemory& page) const;

  std::shared_ptr<KvPool> pool_;
  std::vector<KvPage> pages_;
  std::vector<uint16_t*> table_;  // pages_[i]->data()
  int64_t length_ = 0;
};

}  // namespace bitnetc
