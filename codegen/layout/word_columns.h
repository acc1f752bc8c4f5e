// What tl1, tl2 and b3 share: 16-bit words, each holding several columns of one row, in the order
// that both a table lookup (one word a lane) and a decoder (four neighbouring columns of a row to
// a dword) like.
//
//   tile      kTileRows rows, all columns; tiles follow each other
//   block     kColumns columns of a tile; the blocks of a tile follow each other
//   block     kWords word columns of 32 bytes; column w has word w of row r as its r-th word
//   word      Format::encode of the columns that Format::column() names
//
// A field of a word is an index: the value of one to three trits, whose columns are four apart, so
// that four fields yield four neighbouring columns. Rows and columns beyond the matrix hold weight
// 0.
#pragma once

#include <cstdint>
#include <span>

#include "codegen/weight_layout.h"
#include "runtime/rounding.h"

namespace bitnetc {

inline constexpr int64_t kWordColumnBytes = 2 * kTileRows;  // one word of every row of a tile
inline constexpr int kMaxFieldTrits = 3;
inline constexpr int kMaxFields = 4;

// Which columns of a block the fields of a word hold. Every layout here is one such table plus the
// arithmetic that turns fields into bits.
struct WordFormat {
  int words;              // of a row in a block
  int columns;            // of a block
  int fields;             // of a word
  int trits[kMaxFields];  // of each field
  // Column of trit t of field f of word w, within the block.
  int (*column)(int w, int f, int t);
  // Bits of a word from its fields' values: field = sum of trit * 3^(trits-1-t), so within +-13.
  uint16_t (*encode)(const int* fields);
  // The inverse; false for bits that encode() never makes.
  bool (*decode)(uint16_t word, int* fields);
  // One row of k columns; its words are kWordColumnBytes apart, the first at `words`. Pad columns
  // become 0.
  void (*pack_row)(const int8_t* trits, int64_t k, uint8_t* words);
  // The inverse, pads dropped. Returns the first block with a word that encode() never makes, or
  // -1.
  int64_t (*unpack_row)(const uint8_t* words, int64_t k, int8_t* trits);
  // Whether encode() makes each of `count` words.
  bool (*all_valid)(const uint16_t* words, int64_t count);

  int64_t blocks(int64_t k) const { return ceil_div(k, columns); }
  int64_t block_bytes() const { return words * kWordColumnBytes; }
};

const WordFormat& tl1_format();  // docs/layouts/tl1.md
const WordFormat& tl2_format();  // docs/layouts/tl2.md
const WordFormat& b3_format();   // docs/layouts/b3.md
// Of a layout that is made of words. Not i2_s.
const WordFormat& word_format(LayoutId id);

// As pack() and unpack() of codegen/weight_layout.h; sizes and trits have been checked by the
// caller.
void pack_words(const WeightLayout& layout, std::span<const int8_t> trits, std::span<uint8_t> out);
Status unpack_words(const WeightLayout& layout, std::span<const uint8_t> packed,
                    std::span<int8_t> trits);

}  // namespace bitnetc
