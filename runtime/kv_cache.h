// Where the keys and values of past positions live: pages of 64 positions, each holding those of
// every layer. A Sequence lists the pages of its positions; sequences may share pages.
//
// Keys are stored in blocks of 16 positions with the head dimension outermost inside a block, so
// that one SIMD load holds the same dimension of 16 keys and scores need no horizontal sum. Values
// are plain rows.
//
//   page    words of 16 bits [layer] { k, v }
//   k       [kv_head] { cells [position / 16][d][position % 16], scales }
//   v       [kv_head] { cells [position][d], scales }
//   cells   f16, f32 or i8: KvType
//   scales  f32 [position]   of i8 alone
//
// A page is a multiple of a key block and divides a softmax chunk (256 positions), so where pages
// begin and end changes no bit (docs/numerics.md).
#pragma once

#include <cstdint>
#include <memory>
#include <mutex>
#include <vector>

#include "runtime/device.h"
#include "runtime/kv_type.h"
#include "runtime/rounding.h"
#include "runtime/status.h"

namespace bitnetc {

// Offsets and extents in words of 16 bits; indices in cells. Functions that kernels call are always
// inlined, as those of runtime/rounding.h.
struct KvLayout {
  static constexpr int64_t kKeyBlock = 16;
  static constexpr int64_t kPagePositions = 64;

  int64_t layers = 1;
  int64_t kv_heads = 0;
  int64_t head_dim = 0;
  KvType type = KvType::kF16;

  // That hold so many positions.
  static int64_t pages_for(int64_t positions) { return ceil_div(positions, kPagePositions); }

  [[gnu::always_inline]] int64_t cell_bytes() const { return element_bytes(kv_cell_type(type)); }
  [[gnu::always_inline]] int64_t scale_bytes() const {  // of a key or value
    return type == KvType::kI8 ? int64_t{sizeof(float)} : 0;
  }
  // From the start of one head's keys or values to their scales.
  [[gnu::always_inline]] int64_t scales_offset() const {
    return kPagePositions * head_dim * cell_bytes() / kWordBytes;
  }
  // Keys or values of one head in a page.
  [[gnu::always_inline]] int64_t head_words() const {
    return scales_offset() + kPagePositions * scale_bytes() / kWordBytes;
  }
  int64_t page_words() const { return layers * 2 * kv_heads * head_words(); }
  int64_t page_bytes() const { return page_words() * kWordBytes; }
  // Keys and values of a position in all layers.
  int64_t position_bytes() const { return page_bytes() / kPagePositions; }
  // From the start of a page to the keys or values of one layer and kv head.
  int64_t k_offset(int64_t layer, int64_t head) const {
    return (layer * 2 * kv_heads + head) * head_words();
  }
  int64_t v_offset(int64_t layer, int64_t head) const {
    return k_offset(layer, head) + kv_heads * head_words();
  }
  // Inside one head's keys or values; `position` counts from the start of the page.
  [[gnu::always_inline]] int64_t k_index(int64_t position, int64_t d) const {
    return (position / kKeyBlock * head_dim + d) * kKeyBlock + position % kKeyBlock;
  }
  [[gnu::always_inline]] int64_t v_index(int64_t position, int64_t d) const {
    return position * head_dim + d;
  }

  bool operator==(const KvLayout&) const = default;

 private:
  static constexpr int64_t kWordBytes = sizeof(uint16_t);
};

// The memory of one page, on the device of its pool; goes back to the pool with the last owner.
class KvPageMemory {
 public:
  explicit KvPageMemory(DeviceMemory memory) : memory_(std::move(memory)) {}

  uint16_t* data() const { return reinterpret_cast<uint16_t*>(memory_.address); }
  size_t bytes() const { return memory_.bytes; }

 private:
  DeviceMemory memory_;
};
using KvPage = std::shared_ptr<KvPageMemory>;

// Makes pages and keeps those that are free for the next taker. Thread-safe. Pages may outlive the
// pool.
class KvPool {
 public:
  // `page_limit`: most pages in use at once, 0: as many as memory holds. `lock`: pages are locked
  // in memory, as far as the system lets this process; of the CPU alone. `device` outlives the
  // pages.
  explicit KvPool(const KvLayout& layout, int64_t page_limit = 0, bool lock = false,
                  Device& device = cpu_device());
  KvPool(const KvPool&) = delete;
  KvPool& operator=(const KvPool&) = delete;

  const KvLayout& layout() const { return layout_; }
  int64_t page_limit() const { return page_limit_; }  // 0: as many as memory holds
  // A page that nobody else has; what it holds is not specified.
  // Error: kOutOfMemory when the limit is reached or memory is refused.
  Result<KvPage> take();
  // Makes `to` hold what `from` holds. Error: as Device::copy.
  Status copy(const KvPageMemory& from, const KvPageMemory& to) const;
  int64_t pages_in_use() const;
  int64_t memory_bytes() const;  // of pages in use and pages kept
  // Ok where every page is locked, or none was to be. Error: as lock_memory(), of the first page
  // that is not.
  Status lock_status() const;

 private:
  struct Store;  // shared with the pages' deleters
  const KvLayout layout_;
  const int64_t page_limit_;
  Device& device_;
  const std::shared_ptr<Store> store_;
};

}  // namespace bitnetc
