#include "runtime/sequence.h"

#include <algorithm>

#include "runtime/memory_lock.h"

namespace bitnetc {

namespace {

std::span<const uint8_t> page_bytes(const KvPageMemory& page) {
  return {reinterpret_cast<const uint8_t*>(page.data()), page.bytes()};
}

}  // namespace

struct KvPool::Store {
  explicit Store(bool lock) : locks(lock) {}
  ~Store() {
    if (!locks) return;
    for (const auto& page : free) unlock_memory(page_bytes(*page));
  }
  Store(const Store&) = delete;
  Store& operator=(const Store&) = delete;

  // Where one page is refused, the limit is reached: no further one is tried.
  void keep_in_memory(const KvPageMemory& page) {
    const std::lock_guard lock(mutex);
    if (lock_status.ok()) lock_status = lock_memory(page_bytes(page), "a page of keys and values");
  }

  const bool locks;
  std::mutex mutex;  // guards what follows
  Status lock_status;
  std::vector<std::unique_ptr<KvPageMemory>> free;
  int64_t in_use = 0;
};

KvPool::KvPool(const KvLayout& layout, int64_t page_limit, bool lock, Device& device)
    : layout_(layout),
      page_limit_(page_limit),
      device_(device),
      store_(std::make_shared<Store>(lock)) {}

Result<KvPage> KvPool::take() {
  std::unique_ptr<KvPageMemory> memory;
  {
    const std::lock_guard lock(store_->mutex);
    if (page_limit_ > 0 && store_->in_use >= page_limit_)
      return make_error(StatusCode::kOutOfMemory,
                        "the KV cache is full: all {} pages of {} positions are in use",
                        page_limit_, KvLayout::kPagePositions);
    if (!store_->free.empty()) {
      memory = std::move(store_->free.back());
      store_->free.pop_back();
    }
    ++store_->in_use;
  }
  const auto refused = [&] {
    return make_error(StatusCode::kOutOfMemory,
                      "no memory for another {} positions of context ({} bytes)",
                      KvLayout::kPagePositions, layout_.page_bytes());
  };
  if (!memory) {
    auto fresh = device_.allocate(static_cast<size_t>(layout_.page_bytes()));
    if (!fresh.ok()) {
      const std::lock_guard lock(store_->mutex);
      --store_->in_use;
      return fresh.status().code() == StatusCode::kOutOfMemory ? refused() : fresh.status();
    }
    memory = std::make_unique<KvPageMemory>(*std::move(fresh));
    if (store_->locks) store_->keep_in_memory(*memory);
  }
  try {
    return KvPage(memory.release(), [store = store_](KvPageMemory* page) {
      const std::lock_guard lock(store->mutex);
      store->free.emplace_back(page);
      --store->in_use;
    });
  } catch (const std::bad_alloc&) {
    return refused();  // the page has gone back through its deleter
  }
}

Status KvPool::copy(const KvPageMemory& from, const KvPageMemory& to) const {
  return device_.copy(reinterpret_cast<std::byte*>(to.data()),
                      reinterpret_cast<const std::byte*>(from.data()), from.bytes());
}

Status KvPool::lock_status() const {
  const std::lock_guard lock(store_->mutex);
  return store_->lock_status;
}

int64_t KvPool::pages_in_use() const {
  const std::lock_guard lock(store_->mutex);
  return store_->in_use;
}

int64_t KvPool::memory_bytes() const {
  const std::lock_guard lock(store_->mutex);
  const auto pages = store_->in_use + static_cast<int64_t>(store_->free.size());
  return pages * layout_.page_bytes();
}

void Sequence::truncate(int64_t length) {
  BITNETC_CHECK(length >= 0 && length <= length_, "truncate({}) of {} positions", length, length_);
  length_ = length;
  const auto kept = static_cast<size_t>(KvLayout::pages_for(length));
  pages_.resize(kept);
  table_.resize(kept);
}

Sequence Sequence::fork() const {
  Sequence copy(pool_);
  // Reserved pages are not shared.
  const auto shared = static_cast<size_t>(KvLayout::pages_for(length_));
  copy.pages_.assign(pages_.begin(), pages_.begin() + static_cast<ptrdiff_t>(shared));
  copy.table_.assign(table_.begin(), table_.begin() + static_cast<ptrdiff_t>(shared));
  copy.length_ = length_;
  return copy;
}

KvPage Sequence::page(int64_t index) const {
  BITNETC_CHECK(index >= 0 && index < pages(), "page {} of {}", index, pages());
  return pages_[static_cast<size_t>(index)];
}

void Sequence::check_size(const KvPageMemory& page) const {
  const auto bytes = static_cast<size_t>(pool_->layout().page_bytes());
  BITNETC_CHECK(page.bytes() == bytes, "a page of {} bytes of another layout, expected {}",
                page.bytes(), bytes);
}

void Sequence::replace_page(int64_t index, KvPage page) {
  BITNETC_CHECK(index >= 0 && index < pages(), "page {} of {}", index, pages());
  check_size(*page);
  table_[static_cast<size_t>(index)] = page->data();
  pages_[static_cast<size_t>(index)] = std::move(page);
}

void Sequence::adopt(KvPage page, int64_t count) {
  BITNETC_CHECK(length_ == pages() * KvLayout::kPagePositions && count >= 1 &&
                    count <= KvLayout::kPagePositions,
                "{} positions adopted behind {} in {} pages", count, length_, pages());
  check_size(*page);
  table_.push_back(page->data());
  pages_.push_back(std::move(page));
  length_ += count;
}

Status Sequence::reserve(int64_t count) {
  const int64_t first = length_ / KvLayout::kPagePositions;  // the first page that is written to
  const int64_t end = KvLayout::pages_for(length_ + count);
  for (int64_t i = first; i < end; ++i) {
    const auto at = static_cast<size_t>(i);
    if (at < pages_.size() && pages_[at].use_count() == 1) continue;
    BITNETC_ASSIGN_OR_RETURN(KvPage page, pool_->take());
    if (at < pages_.size()) {
      BITNETC_RETURN_IF_ERROR(pool_->copy(*pages_[at], *page));
      table_[at] = page->data();
      pages_[at] = std::move(page);
    } else {
      table_.push_back(page->data());
      pages_.push_back(std::move(page));
    }
  }
  return {};
}

void Sequence::commit(int64_t count) {
  BITNETC_CHECK(KvLayout::pages_for(length_ + count) <= pages(),
                "commit({}) of unreserved positions", count);
  length_ += count;
}

}  // namespace bitnetc
