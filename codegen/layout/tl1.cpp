// tl1: pairs of weights, four bits each (docs/layouts/tl1.md).
#include "codegen/layout/word_rows.h"

namespace bitnetc {
namespace {

struct Tl1 {
  static constexpr int kWords = 2, kColumns = 16, kFields = 4;
  static constexpr int kTrits[kFields] = {2, 2, 2, 2};

  // Bytes 0..3 of the dword (word 0, word 1) have columns 0..3 of a group of four; low nibbles the
  // groups 0 and 1, high nibbles the groups 2 and 3.
  static constexpr int column(int w, int f, int t) { return 8 * (f % 2) + 4 * t + 2 * w + f / 2; }

  // Two's complement in a nibble: 0 for two zero weights.
  static uint16_t encode(const int* fields) {
    unsigned word = 0;
    for (int f = 0; f < kFields; ++f) word |= (static_cast<unsigned>(fields[f]) & 15U) << (4 * f);
    return static_cast<uint16_t>(word);
  }

  static bool decode(uint16_t word, int* fields) {
    bool valid = true;
    for (int f = 0; f < kFields; ++f) {
      const int nibble = word >> (4 * f) & 15;
      fields[f] = (nibble ^ 8) - 8;
      valid &= -4 <= fields[f] && fields[f] <= 4;
    }
    return valid;
  }

  // Every nibble plus 4, without a carry into the next: from 0 to 8.
  static uint16_t invalid_bits(uint16_t word) {
    const unsigned moved = ((word & 0x7777U) + 0x4444U) ^ (word & 0x8888U);
    return static_cast<uint16_t>(moved & 0x8888U & ((moved & 0x7777U) + 0x7777U));
  }
};

}  // namespace

const WordFormat& tl1_format() {
  static constexpr WordFormat kFormat = make_word_format<Tl1>();
  return kFormat;
}

}  // namespace bitnetc
