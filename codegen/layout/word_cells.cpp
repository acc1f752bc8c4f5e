#include "codegen/layout/word_cells.h"

#include <algorithm>

namespace bitnetc {
namespace {

struct WordPosition {
  int64_t offset;  // of the word in the packed bytes
  int64_t column;  // first column of the block
};

WordPosition position(const WordFormat& format, const WeightLayout& layout, int64_t n,
                      int64_t block, int w) {
  const int64_t tile = n / kTileRows * layout.tile_bytes();
  return {.offset = tile + block * format.block_bytes() + w * kCellBytes + n % kTileRows * 2,
          .column = block * format.columns};
}

Status find_invalid_trit(const WeightLayout& layout, std::span<const int8_t> trits) {
  const auto at = std::ranges::find_if(trits, [](int8_t trit) { return trit < -1 || trit > 1; });
  if (at == trits.end()) return {};
  const int64_t i = at - trits.begin();
  return make_error(StatusCode::kInvalidArgument,
                    "pack {}: weight ({}, {}) is {}, expected -1, 0 or +1", layout_name(layout.id),
                    i / layout.k, i % layout.k, *at);
}

// Values of the fields of word w, from the columns of a row's block; columns beyond `count` are 0.
void read_fields(const WordFormat& format, int w, const int8_t* columns, int64_t count,
                 int* fields) {
  for (int f = 0; f < format.fields; ++f) {
    fields[f] = 0;
    for (int t = 0; t < format.trits[f]; ++t) {
      const int column = format.column(w, f, t);
      fields[f] = fields[f] * 3 + (column < count ? columns[column] : 0);
    }
  }
}

void write_fields(const WordFormat& format, int w, const int* fields, int8_t* columns,
                  int64_t count) {
  for (int f = 0; f < format.fields; ++f) {
    int rest = fields[f];
    for (int t = format.trits[f] - 1; t >= 0; --t) {
      const int trit = (rest + 39) % 3 == 0 ? 0 : ((rest + 39) % 3 == 1 ? 1 : -1);
      rest = (rest - trit) / 3;
      const int column = format.column(w, f, t);
      if (column < count) columns[column] = static_cast<int8_t>(trit);
    }
  }
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

Status pack_words(const WeightLayout& layout, std::span<const int8_t> trits,
                  std::span<uint8_t> out) {
  BITNETC_RETURN_IF_ERROR(find_invalid_trit(layout, trits));
  const WordFormat& format = word_format(layout.id);
  for (int64_t n = 0; n < layout.padded_n(); ++n) {
    for (int64_t block = 0; block < format.blocks(layout.k); ++block) {
      for (int w = 0; w < format.words; ++w) {
        const WordPosition at = position(format, layout, n, block, w);
        const int64_t count = n < layout.n ? layout.k - at.column : 0;
        int fields[4];
        const int8_t* columns = count > 0 ? trits.data() + n * layout.k + at.column : nullptr;
        read_fields(format, w, columns, count, fields);
        const uint16_t word = format.encode(fields);
        out[static_cast<size_t>(at.offset)] = static_cast<uint8_t>(word);
        out[static_cast<size_t>(at.offset + 1)] = static_cast<uint8_t>(word >> 8);
      }
    }
  }
  return {};
}

Status unpack_words(const WeightLayout& layout, std::span<const uint8_t> packed,
                    std::span<int8_t> trits) {
  const WordFormat& format = word_format(layout.id);
  for (int64_t n = 0; n < layout.n; ++n) {
    for (int64_t block = 0; block < format.blocks(layout.k); ++block) {
      for (int w = 0; w < format.words; ++w) {
        const WordPosition at = position(format, layout, n, block, w);
        const auto offset = static_cast<size_t>(at.offset);
        const auto word = static_cast<uint16_t>(packed[offset] | packed[offset + 1] << 8);
        int fields[4];
        if (!format.decode(word, fields)) {
          return make_error(StatusCode::kDataCorrupt,
                            "unpack {}: the word of row {}, columns from {} is {:#06x}, which no "
                            "weights make",
                            layout_name(layout.id), n, at.column, word);
        }
        write_fields(format, w, fields, trits.data() + n * layout.k + at.column,
                     layout.k - at.column);
      }
    }
  }
  return {};
}

}  // namespace bitnetc
