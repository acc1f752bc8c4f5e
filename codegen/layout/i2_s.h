// The i2_s layout: two-bit codes, 16 rows x 16 columns to a 64-byte block (docs/layouts/i2_s.md).
//
//   tile        kTileRows rows, all columns; tiles follow each other
//   block        16 columns of a tile, 64 bytes; the blocks of a tile follow each other
//   byte 4r+j   of a block belongs to row r of the tile (0..15), j = 0..3
//   bits 2p+1..2p of that byte hold w + 1 of column 16*block + 4p + j, p = 0..3
//
// Rows and columns beyond the matrix hold code 1, weight 0.
#pragma once

#include <cstdint>
#include <span>

#include "codegen/weight_layout.h"

namespace bitnetc::i2s {

inline constexpr int64_t kBlockColumns = 16;
inline constexpr int64_t kBlockBytes = 64;
inline constexpr int kPlanes = 4;  // two-bit fields of a byte, each a dot group

// As pack() and unpack() of codegen/weight_layout.h; sizes and trits have been checked by the
// caller.
void pack(const WeightLayout& layout, std::span<const int8_t> trits, std::span<uint8_t> out);
Status unpack(const WeightLayout& layout, std::span<const uint8_t> packed, std::span<int8_t> trits);
// Whether no code is 3.
bool all_valid(std::span<const uint8_t> packed);

}  // namespace bitnetc::i2s
