#include "codegen/layout/word_columns.h"

#include <vector>

namespace bitnetc {
namespace {

// Where the words of row n begin: of tile n / kTileRows, little-endian word n % kTileRows of every
// word column.
int64_t row_offset(const WeightLayout& layout, int64_t n) {
  return n / kTileRows * layout.tile_bytes() + n % kTileRows * 2;
}

}  // namespace

const WordFormat& word_format(LayoutId id) {
  switch (id) {
    case LayoutId::kTl1: return tl1_format();
    case LayoutId::kTl2: return tl2_format();
    case LayoutId::kB3: return b3_format();
    case LayoutId::kI2S: break;
  }
  BITNETC_CHECK(false, "layout {} is not made of words", layout_name(id));
  return tl1_format();
}

void pack_words(const WeightLayout& layout, std::span<const int8_t> trits, std::span<uint8_t> out) {
  const WordFormat& format = word_format(layout.id);
  const std::vector<int8_t> pad_row(static_cast<size_t>(layout.k));
  for (int64_t n = 0; n < layout.padded_n(); ++n) {
    const int8_t* row = n < layout.n ? trits.data() + n * layout.k : pad_row.data();
    format.pack_row(row, layout.k, out.data() + row_offset(layout, n));
  }
}

Status unpack_words(const WeightLayout& layout, std::span<const uint8_t> packed,
                    std::span<int8_t> trits) {
  const WordFormat& format = word_format(layout.id);
  for (int64_t n = 0; n < layout.n; ++n) {
    const uint8_t* words = packed.data() + row_offset(layout, n);
    const int64_t block = format.unpack_row(words, layout.k, trits.data() + n * layout.k);
    if (block < 0) continue;
    return make_error(StatusCode::kDataCorrupt,
                      "unpack {}: row {}, columns from {}: no weights have these bits",
                      layout_name(layout.id), n, block * format.columns);
  }
  return {};
}

}  // namespace bitnetc
