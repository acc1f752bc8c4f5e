// Where the keys and values of past positions live: pages of 64 positions, each holding the fp16
// keys and values of every layer. A Sequence lists the pages of its positions; sequences may share
// pages.
//
// Keys are stored in blocks of 16 positions with the head dimension outermost inside a block, so
// that one SIMD load holds the same dimension of 16 keys and scores need no horizontal sum. Values
// are plain rows.
//
//   page   u16 (fp16) [layer] { k, v }
//          k [kv_head][position / 16][d][position % 16],  v [kv_head][position][d]
//
// A page is a multiple of a key block and divides a softmax chunk (256 positions), so where pages
// begin and end changes no bit (docs/numerics.md).
#pragma once

#include <cstdint>
#include <memory>
#include <mutex>
#include <vector>

#include "runtime/buffer.h"
#include "runtime/rounding.h"
#include "runtime/status.h"

namespace bitnetc {

struct KvLayout {
  static constexpr int64_t kKeyBlock = 16;
  static constexpr int64_t kPagePositions = 64;

  int64_t layers = 1;
  int64_t kv_heads = 0;
  int64_t head_dim = 0;

  // That hold so many positions.
  static int64_t pages_for(int64_t positions) { return ceil_div(positions, kPagePositions); }

  int64_t head_elements() const { return kPagePositions * head_dim; }  // keys or values of one head
  int64_t page_elements() const { return layers * 2 * kv_heads * head_elements(); }
  // From the start of a page to the keys or values of one layer and kv head.
  int64_t k_offset(int64_t layer, int64_t head) const {
    return (layer * 2 * kv_heads + head) * head_elements();
  }
  int64_t v_offset(int64_t layer, int64_t head) const {
    return k_offset(layer, head) + kv_heads * head_elements();
  }
  // Inside one head's keys or values; `position` counts from the start of the page.
  int64_t k_index(int64_t position, int64_t d) const {
    return (position / kKeyBlock * head_dim + d) * kKeyBlock + position % kKeyBlock;
  }
  int64_t v_index(int64_t position, int64_t d) const { return position * head_dim + d; }

  bool operator==(const KvLayout&) const = default;
};

// The memory of one page; goes back to its pool with the last owner.
using KvPage = std::shared_ptr<Buffer<uint16_t>>;

// Makes pages and keeps those that are free for the next taker. Thread-safe. Pages may outlive the
// pool.
class KvPool {
 public:
  // `page_limit`: most pages in use at once, 0: as many as memory holds. `lock`: pages are locked
  // in memory, as far as the system lets this process.
  explicit KvPool(const KvLayout& layout, int64_t page_limit = 0, bool lock = false);
  KvPool(const KvPool&) = delete;
  KvPool& operator=(const KvPool&) = delete;

  const KvLayout& layout() const { return layout_; }
  int64_t page_limit() const { return page_limit_; }  // 0: as many as memory holds
  // A page that nobody else has; what it holds is not specified.
  // Error: kOutOfMemory when the limit is reached or memory is refused.
  Result<KvPage> take();
  int64_t pages_in_use() const;
  int64_t memory_bytes() const;  // of pages in use and pages kept
  // Ok where every page is locked, or none was to be. Error: as lock_memory(), of the first page
  // that is not.
  Status lock_status() const;

 private:
  struct Store;  // shared with the pages' deleters
  const KvLayout layout_;
  const int64_t page_limit_;
  const std::shared_ptr<Store> store_;
};

}  // namespace bitnetc
