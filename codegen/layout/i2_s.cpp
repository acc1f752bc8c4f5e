#include "codegen/layout/i2_s.h"

#include <algorithm>

namespace bitnetc::i2s {
namespace {

// A byte whose four codes all say weight 0.
constexpr uint8_t kZeroWeights = 0b01010101;

int64_t row_offset(const WeightLayout& layout, int64_t n) {
  return n / kTileRows * layout.tile_bytes() + n % kTileRows * kDotGroupColumns;
}

// The four bytes of a row of a block, from its 16 columns.
void pack_block(const int8_t* columns, uint8_t* bytes) {
  for (int j = 0; j < kDotGroupColumns; ++j) {
    int byte = 0;
    for (int p = 0; p < kPlanes; ++p) byte |= (columns[kDotGroupColumns * p + j] + 1) << (2 * p);
    bytes[j] = static_cast<uint8_t>(byte);
  }
}

// Returns the bits of the codes that are 3, which no weight has.
unsigned unpack_block(const uint8_t* bytes, int8_t* columns) {
  unsigned invalid = 0;
  for (int j = 0; j < kDotGroupColumns; ++j) {
    const unsigned byte = bytes[j];
    invalid |= byte & byte >> 1 & kZeroWeights;
    for (int p = 0; p < kPlanes; ++p)
      columns[kDotGroupColumns * p + j] =
          static_cast<int8_t>(static_cast<int>(byte >> (2 * p) & 3U) - 1);
  }
  return invalid;
}

Status invalid_code(const WeightLayout& layout, int64_t n, int64_t block, const int8_t* columns) {
  const auto* at = std::find(columns, columns + kBlockColumns, int8_t{2});
  return make_error(StatusCode::kDataCorrupt,
                    "unpack {}: code of weight ({}, {}) is 3, expected 0..2",
                    layout_name(layout.id), n, block * kBlockColumns + (at - columns));
}

}  // namespace

void pack(const WeightLayout& layout, std::span<const int8_t> trits, std::span<uint8_t> out) {
  const int64_t blocks = layout.k / kBlockColumns, rest = layout.k % kBlockColumns;
  if (layout.n < layout.padded_n()) std::ranges::fill(out, kZeroWeights);
  for (int64_t n = 0; n < layout.n; ++n) {
    const int8_t* row = trits.data() + n * layout.k;
    uint8_t* bytes = out.data() + row_offset(layout, n);
    for (int64_t block = 0; block < blocks; ++block)
      pack_block(row + block * kBlockColumns, bytes + block * kBlockBytes);
    if (rest == 0) continue;
    int8_t padded[kBlockColumns] = {};
    std::copy_n(row + blocks * kBlockColumns, rest, padded);
    pack_block(padded, bytes + blocks * kBlockBytes);
  }
}

bool all_valid(std::span<const uint8_t> packed) {
  uint8_t invalid = 0;
  for (const uint8_t byte : packed)
    invalid = static_cast<uint8_t>(invalid | (byte & byte >> 1 & kZeroWeights));
  return invalid == 0;
}

Status unpack(const WeightLayout& layout, std::span<const uint8_t> packed,
              std::span<int8_t> trits) {
  for (int64_t n = 0; n < layout.n; ++n) {
    const uint8_t* bytes = packed.data() + row_offset(layout, n);
    int8_t* row = trits.data() + n * layout.k;
    for (int64_t first = 0; first < layout.k; first += kBlockColumns, bytes += kBlockBytes) {
      int8_t columns[kBlockColumns];
      if (unpack_block(bytes, columns) != 0)
        return invalid_code(layout, n, first / kBlockColumns, columns);
      std::copy_n(columns, std::min(kBlockColumns, layout.k - first), row + first);
    }
  }
  return {};
}

}  // namespace bitnetc::i2s
