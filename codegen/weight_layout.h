// Which bit of which byte holds weight (n, k). A layout is a function of (N, K) and its own
// parameters only, never of the CPU that packs or runs it. Each has a page in docs/layouts/.
//
// Orientation everywhere: Y[M,N] = X[M,K] * W[N,K]^T. Rows are stored in tiles of kTileRows, tile
// after tile, so a row tile is one contiguous run of `tile_bytes`.
#pragma once

#include <cstdint>
#include <optional>
#include <span>
#include <string_view>

#include "runtime/kernel_args.h"
#include "runtime/status.h"

namespace bitnetc {

// A dot group: neighbouring columns whose codes fill one dword of a dot product.
inline constexpr int kDotGroupColumns = 4;
inline constexpr int kDotGroupBytes = kTileRows * kDotGroupColumns;  // of a tile, a byte per code

enum class LayoutId {
  kI2S,  // two-bit codes, 16 columns of 16 rows in 64 bytes: docs/layouts/i2_s.md
  kTl1,  // pairs in four bits, 16 columns of 16 rows in 64 bytes: docs/layouts/tl1.md
  kTl2,  // triples in five bits, 36 columns of 16 rows in 128 bytes: docs/layouts/tl2.md
  kB3,   // ten weights in 16 bits, 20 columns of 16 rows in 64 bytes: docs/layouts/b3.md
};
inline constexpr LayoutId kLayouts[] = {LayoutId::kI2S, LayoutId::kTl1, LayoutId::kTl2,
                                        LayoutId::kB3};

std::string_view layout_name(LayoutId id);  // "i2s", "tl1", "tl2", "b3", as in kernel names
std::optional<LayoutId> parse_layout(std::string_view name);

struct WeightLayout {
  LayoutId id = LayoutId::kI2S;
  int64_t n = 0;  // rows
  int64_t k = 0;  // columns

  int64_t padded_n() const;  // n rounded up to whole tiles; pad rows hold weight 0
  int64_t padded_k() const;  // k rounded up to whole blocks; pad columns hold weight 0
  int64_t tiles() const { return padded_n() / kTileRows; }
  int64_t block_columns() const;  // columns that are packed together; padded_k() is a multiple
  int64_t block_bytes() const;    // of one row tile
  int64_t tile_bytes() const { return padded_k() / block_columns() * block_bytes(); }
  int64_t total_bytes() const { return tiles() * tile_bytes(); }
  double bits_per_weight() const;
};

// Packs ternary weights.
//   trits  i8[n][k], each -1, 0 or +1
//   out    layout.total_bytes() bytes, all of them written
//   Error  kInvalidArgument naming the first (n, k) outside {-1, 0, +1}
Status pack(const WeightLayout& layout, std::span<const int8_t> trits, std::span<uint8_t> out);

// The exact inverse, pads dropped.
//   Error  kDataCorrupt naming the row and the column (i2_s) or block of columns (the others) of
//          the first bits that no weights make
Status unpack(const WeightLayout& layout, std::span<const uint8_t> packed, std::span<int8_t> trits);

// Whether the packed bytes, pads included, are such as pack() makes: fast, for files that somebody
// else wrote.
//   Error  as unpack()
Status check_packed(const WeightLayout& layout, std::span<const uint8_t> packed);

// The same weights in another layout, tile by tile: needs memory for the trits of one tile only.
//   packed  from.total_bytes() bytes
//   out     the total_bytes() of the same n x k in layout `to`
//   Error   as unpack()
Status repack(const WeightLayout& from, std::span<const uint8_t> packed, LayoutId to,
              std::span<uint8_t> out);

}  // namespace bitnetc
