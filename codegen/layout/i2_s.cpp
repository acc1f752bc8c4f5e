#include "codegen/layout/i2_s.h"

#include <algorithm>
#include <array>

#include "runtime/buffer.h"

namespace bitnetc::i2s {
namespace {

// A byte whose four codes all say weight 0.
constexpr uint8_t kZeroWeights = 0b01010101;

// The four weights of one byte are kPlaneColumns apart, starting at `trits`; `columns` counts what
// is left of the row from there. A weight outside {-1, 0, +1} sets bits that no code has.
uint8_t pack_byte(const int8_t* trits, int64_t columns, unsigned& invalid) {
  unsigned byte = 0;
  for (int p = 0; p < kPlanes; ++p) {
    const int64_t column = int64_t{p} * kPlaneColumns;
    const int trit = column < columns ? trits[column] : 0;
    const unsigned code = static_cast<unsigned>(trit + 1);
    invalid |= code > 2 ? 1U : 0U;
    byte |= (code & 3U) << (2 * p);
  }
  return static_cast<uint8_t>(byte);
}

Status find_invalid_trit(const WeightLayout& layout, std::span<const int8_t> trits) {
  for (int64_t i = 0; i < layout.n * layout.k; ++i) {
    const int trit = trits[static_cast<size_t>(i)];
    if (trit < -1 || trit > 1) {
      return make_error(StatusCode::kInvalidArgument,
                        "pack {}: weight ({}, {}) is {}, expected -1, 0 or +1",
                        layout_name(layout.id), i / layout.k, i % layout.k, trit);
    }
  }
  return {};
}

}  // namespace

int64_t padded_k(int64_t k) {
  return static_cast<int64_t>(round_up(static_cast<size_t>(k), kCellColumns));
}
int64_t tile_bytes(int64_t k) {
  return padded_k(k) / kCellColumns * kCellBytes;
}

Status pack(const WeightLayout& layout, std::span<const int8_t> trits, std::span<uint8_t> out) {
  const int64_t bytes_per_tile = tile_bytes(layout.k);
  std::fill(out.begin(), out.end(), kZeroWeights);
  unsigned invalid = 0;
  for (int64_t n = 0; n < layout.n; ++n) {
    const int8_t* row = trits.data() + n * layout.k;
    uint8_t* row_bytes =
        out.data() + n / kTileRows * bytes_per_tile + n % kTileRows * kPlaneColumns;
    for (int64_t cell = 0; cell * kCellColumns < layout.k; ++cell) {
      for (int64_t j = 0; j < kPlaneColumns; ++j) {
        const int64_t column = cell * kCellColumns + j;
        row_bytes[cell * kCellBytes + j] = pack_byte(row + column, layout.k - column, invalid);
      }
    }
  }
  return invalid ? find_invalid_trit(layout, trits) : Status();
}

Status unpack(const WeightLayout& layout, std::span<const uint8_t> packed,
              std::span<int8_t> trits) {
  const int64_t bytes_per_tile = tile_bytes(layout.k);
  for (int64_t n = 0; n < layout.n; ++n) {
    const uint8_t* row_bytes =
        packed.data() + n / kTileRows * bytes_per_tile + n % kTileRows * kPlaneColumns;
    for (int64_t k = 0; k < layout.k; ++k) {
      const int64_t plane = k % kCellColumns / kPlaneColumns;
      const unsigned byte = row_bytes[k / kCellColumns * kCellBytes + k % kPlaneColumns];
      const int code = static_cast<int>(byte >> (2 * plane) & 3U);
      if (code > 2) {
        return make_error(StatusCode::kDataCorrupt,
                          "unpack {}: code of weight ({}, {}) is {}, expected 0..2",
                          layout_name(layout.id), n, k, code);
      }
      trits[static_cast<size_t>(n * layout.k + k)] = static_cast<int8_t>(code - 1);
    }
  }
  return {};
}

}  // namespace bitnetc::i2s
