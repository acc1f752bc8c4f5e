// tl1: pairs of weights, four bits each (docs/layouts/tl1.md).
#include "codegen/layout/word_cells.h"

namespace bitnetc {
namespace {

constexpr int kFields = 4;

// Bytes 0..3 of the dword (word 0, word 1) have columns 0..3 of a group of four; low nibbles the groups
// 0 and 1, high nibbles the groups 2 and 3.
int column(int w, int f, int t) {
  return 8 * (f % 2) + 4 * t + 2 * w + f / 2;
}

// Two's complement in a nibble: 0 for two zero weights.
uint16_t encode(const int* fields) {
  unsigned word = 0;
  for (int f = 0; f < kFields; ++f) word |= (static_cast<unsigned>(fields[f]) & 15U) << (4 * f);
  return static_cast<uint16_t>(word);
}

bool decode(uint16_t word, int* fields) {
  for (int f = 0; f < kFields; ++f) {
    const int nibble = word >> (4 * f) & 15;
    fields[f] = nibble < 8 ? nibble : nibble - 16;
    if (fields[f] < -4 || fields[f] > 4) return false;
  }
  return true;
}

}  // namespace

const WordFormat& tl1_format() {
  static constexpr WordFormat kFormat{.words = 2,
                                      .columns = 16,
                                      .fields = kFields,
                                      .trits = {2, 2, 2, 2},
                                      .column = column,
                                      .encode = encode,
                                      .decode = decode};
  return kFormat;
}

}  // namespace bitnetc
