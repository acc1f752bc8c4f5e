// How a decoder of a word layout uses 256-bit registers, as plain values.
#pragma once

namespace bitnetc::x64 {

// What the two parts of a group of four columns hold. A word column holds a word for each row; the
// instructions that bring the words of two word columns together work in 128-bit lanes.
enum class YmmRows {
  kInOrder,  // a dword for each row, rows 0..7 and 8..15
  // The same, rows 0..3 8..11 and 4..7 12..15: saves a permutation per word column that is loaded.
  kAsUnpacked,
  // A word for each of 16 rows, columns 0 1 and 2 3: saves the unpacking as well; tl1 and tl2.
  kAsWordColumns,
};

struct YmmDecoderUse {
  int first_register;  // the decoder's are this one and all above
  YmmRows rows;
};
inline constexpr int kLeastYmmRegisters = 6;

// For panels: rows in order, all registers.
inline constexpr YmmDecoderUse kYmmPanelUse{.first_register = 0, .rows = YmmRows::kInOrder};

}  // namespace bitnetc::x64
