// tl2: triples of weights, five bits each, three to a word (docs/layouts/tl2.md).
#include <cstdlib>

#include "codegen/layout/word_cells.h"

namespace bitnetc {
namespace {

constexpr int kFields = 3;
constexpr int kMaxMagnitude = 13;

// Twelve columns to a group: words 0, 1 hold group 0 and words 2, 3 group 1 in their fields 0 and 1, and
// the third fields of all four words hold group 2.
int column(int w, int f, int t) {
  const int group = f == 2 ? 2 : w / 2;
  const int byte = f == 2 ? w : 2 * (w % 2) + f;
  return 12 * group + 4 * t + byte;
}

// Magnitude in four bits, sign above.
uint16_t encode(const int* fields) {
  unsigned word = 0;
  for (int f = 0; f < kFields; ++f) {
    const unsigned code = static_cast<unsigned>(std::abs(fields[f])) | (fields[f] < 0 ? 16U : 0U);
    word |= code << (5 * f);
  }
  return static_cast<uint16_t>(word);
}

bool decode(uint16_t word, int* fields) {
  if (word >> (5 * kFields) != 0) return false;
  for (int f = 0; f < kFields; ++f) {
    const int code = word >> (5 * f) & 31, magnitude = code & 15;
    if (magnitude > kMaxMagnitude || code == 16) return false;
    fields[f] = code < 16 ? magnitude : -magnitude;
  }
  return true;
}

}  // namespace

const WordFormat& tl2_format() {
  static constexpr WordFormat kFormat{.words = 4,
                                      .columns = 36,
                                      .fields = kFields,
                                      .trits = {3, 3, 3},
                                      .column = column,
                                      .encode = encode,
                                      .decode = decode};
  return kFormat;
}

}  // namespace bitnetc
