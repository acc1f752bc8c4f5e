// Packing and unpacking of one row, written once for all layouts of words. Format is a struct of
// constants that says what WordFormat says (codegen/layout/word_columns.h): its column table and
// its arithmetic are known to the compiler, so the loops over fields and trits unroll into loads,
// adds and stores.
#pragma once

#include <algorithm>
#include <array>

#include "codegen/layout/word_columns.h"

namespace bitnetc {

// The balanced base-3 digits of a field's value, most significant first; a field of fewer than
// three trits has the last ones.
using FieldDigits = std::array<int8_t, kMaxFieldTrits>;
inline constexpr int kMaxFieldValue = 13;  // + 3 + 9
inline constexpr auto kFieldDigits = [] {
  std::array<FieldDigits, 2 * kMaxFieldValue + 1> table{};
  for (int value = 0; value < static_cast<int>(table.size()); ++value)
    table[static_cast<size_t>(value)] = {static_cast<int8_t>(value / 9 - 1),
                                         static_cast<int8_t>(value / 3 % 3 - 1),
                                         static_cast<int8_t>(value % 3 - 1)};
  return table;
}();

// Word w of a block whose columns start at `columns`.
template <typename Format>
inline uint16_t pack_word(const int8_t* columns, int w) {
  int fields[Format::kFields];
  for (int f = 0; f < Format::kFields; ++f) {
    fields[f] = 0;
    for (int t = 0; t < Format::kTrits[f]; ++t)
      fields[f] = 3 * fields[f] + columns[Format::column(w, f, t)];
  }
  return Format::encode(fields);
}

template <typename Format>
inline void pack_block(const int8_t* columns, uint8_t* words) {
  for (int w = 0; w < Format::kWords; ++w) {
    const uint16_t word = pack_word<Format>(columns, w);
    words[w * kWordColumnBytes] = static_cast<uint8_t>(word);
    words[w * kWordColumnBytes + 1] = static_cast<uint8_t>(word >> 8);
  }
}

// WordFormat::pack_row
template <typename Format>
void pack_row(const int8_t* trits, int64_t k, uint8_t* words) {
  for (; k >= Format::kColumns; k -= Format::kColumns) {
    pack_block<Format>(trits, words);
    trits += Format::kColumns;
    words += Format::kWords * kWordColumnBytes;
  }
  if (k == 0) return;
  int8_t padded[Format::kColumns] = {};
  std::copy_n(trits, k, padded);
  pack_block<Format>(padded, words);
}

template <typename Format>
inline bool unpack_block(const uint8_t* words, int8_t* columns) {
  for (int w = 0; w < Format::kWords; ++w) {
    const int low = words[w * kWordColumnBytes], high = words[w * kWordColumnBytes + 1];
    int fields[Format::kFields];
    if (!Format::decode(static_cast<uint16_t>(low | high << 8), fields)) return false;
    for (int f = 0; f < Format::kFields; ++f) {
      const FieldDigits& digits = kFieldDigits[static_cast<size_t>(fields[f] + kMaxFieldValue)];
      for (int t = 0; t < Format::kTrits[f]; ++t)
        columns[Format::column(w, f, t)] =
            digits[static_cast<size_t>(kMaxFieldTrits - Format::kTrits[f] + t)];
    }
  }
  return true;
}

// WordFormat::unpack_row
template <typename Format>
int64_t unpack_row(const uint8_t* words, int64_t k, int8_t* trits) {
  int64_t block = 0;
  for (; k >= Format::kColumns; k -= Format::kColumns, ++block) {
    if (!unpack_block<Format>(words, trits)) return block;
    trits += Format::kColumns;
    words += Format::kWords * kWordColumnBytes;
  }
  if (k == 0) return -1;
  int8_t padded[Format::kColumns];
  if (!unpack_block<Format>(words, padded)) return block;
  std::copy_n(padded, k, trits);
  return -1;
}

// WordFormat::all_valid. Format::invalid_bits is zero for the words that decode() accepts, without
// a branch, so that the compiler checks a vector of them at once.
template <typename Format>
bool all_valid(const uint16_t* words, int64_t count) {
  uint16_t invalid = 0;
  for (int64_t i = 0; i < count; ++i)
    invalid = static_cast<uint16_t>(invalid | Format::invalid_bits(words[i]));
  return invalid == 0;
}

template <typename Format>
constexpr WordFormat make_word_format() {
  WordFormat format{.words = Format::kWords,
                    .columns = Format::kColumns,
                    .fields = Format::kFields,
                    .trits = {},
                    .column = Format::column,
                    .encode = Format::encode,
                    .decode = Format::decode,
                    .pack_row = pack_row<Format>,
                    .unpack_row = unpack_row<Format>,
                    .all_valid = all_valid<Format>};
  std::copy_n(Format::kTrits, Format::kFields, format.trits);
  return format;
}

}  // namespace bitnetc
