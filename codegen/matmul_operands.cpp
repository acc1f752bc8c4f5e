#include "codegen/matmul_operands.h"

#include <cstring>

#include "codegen/layout/i2_s.h"
#include "codegen/layout/word_columns.h"

namespace bitnetc {
namespace {

int8_t activation(int64_t column, int64_t k, Random& random) {
  if (column < k / 4) return -128;
  if (column < k / 2) return 127;
  return static_cast<int8_t>(random.next());
}

void fill_codes(const WeightLayout& layout, uint8_t* tile, Random& random) {
  for (int64_t i = 0; i < layout.tile_bytes(); i += 8) {
    uint64_t codes = random.next();
    codes &= ~(codes << 1 & 0xaaaaaaaaaaaaaaaa);  // 3 becomes 1
    std::memcpy(tile + i, &codes, sizeof codes);
    if (i % i2s::kBlockBytes != 0) continue;
    std::memset(tile + i, 0b10101010, kDotGroupColumns);
    std::memset(tile + i + kDotGroupColumns, 0b00000000, kDotGroupColumns);
  }
}

int largest(const WordFormat& format, int field) {
  constexpr int kLargest[] = {0, 1, 4, 13};
  return kLargest[format.trits[field]];
}

uint16_t extreme_word(const WordFormat& format, int trit) {
  int fields[kMaxFields] = {};
  for (int f = 0; f < format.fields; ++f) fields[f] = trit * largest(format, f);
  return format.encode(fields);
}

uint16_t random_word(const WordFormat& format, uint64_t bits) {
  int fields[kMaxFields] = {};
  for (int f = 0; f < format.fields; ++f) {
    const int most = largest(format, f);
    fields[f] = static_cast<int>((bits >> (16 * f) & 0xffff) % (2 * most + 1)) - most;
  }
  return format.encode(fields);
}

void fill_words(const WeightLayout& layout, uint8_t* tile, Random& random) {
  constexpr int64_t kPalette = 64;
  const WordFormat& format = word_format(layout.id);
  uint16_t palette[kPalette];
  for (uint16_t& word : palette) word = random_word(format, random.next());
  for (int64_t at = 0; at < layout.tile_bytes(); at += kWordColumnBytes) {
    uint16_t words[kTileRows] = {extreme_word(format, 1), extreme_word(format, -1)};
    uint64_t choice = random.next(), more = random.next();
    for (int r = 2; r < kTileRows; ++r, choice = choice >> 6 | more << 58, more >>= 6)
      words[r] = palette[choice % kPalette];
    std::memcpy(tile + at, words, sizeof words);
  }
}

}  // namespace

void fill_rows(const MatmulRows& rows, int64_t k, Random& random) {
  for (int64_t m = 0; m < rows.count; ++m) {
    rows.sum[m] = 0;
    rows.scale[m] = random.uniform(0.005f, 0.02f);
    for (int64_t column = 0; column < k; ++column) {
      const int8_t value = activation(column, k, random);
      rows.x[m * rows.stride + column] = value;
      rows.sum[m] += value;
    }
  }
}

void fill_tile(const WeightLayout& layout, uint8_t* tile, Random& random) {
  if (layout.id == LayoutId::kI2S) {
    fill_codes(layout, tile, random);
  } else {
    fill_words(layout, tile, random);
  }
}

}  // namespace bitnetc
