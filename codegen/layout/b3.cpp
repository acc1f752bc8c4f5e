// b3: ten weights to a word, as a fixed-point fraction in base 3 (docs/layouts/b3.md).
#include "codegen/layout/word_rows.h"

namespace bitnetc {
namespace {

struct B3 {
  static constexpr int kWords = 2, kColumns = 20, kFields = 4;
  static constexpr int kTrits[kFields] = {3, 3, 3, 1};
  static constexpr int kRadix[kFields] = {27, 27, 27, 3};
  static constexpr int kBias[kFields] = {13, 13, 13, 1};
  static constexpr unsigned kValues = 59049;  // 3^10

  // Fields 0 and 1 of the two words hold the columns 0..11. Field 2 and the lone trit of field 3
  // share the columns 12..15, and the two further trits of field 2 hold 16..19.
  static constexpr int column(int w, int f, int t) {
    if (f < 2) return 4 * t + 2 * w + f;
    if (f == 3) return 14 + w;
    return t == 0 ? 12 + w : 14 + 2 * t + w;
  }

  // The fraction v / 3^10, rounded up to 2^-16: then floor(27 * fraction) is the first field, and
  // so on with the remainder. The error starts below 2^-16 and grows to 19683 * 2^-16 = 0.3003
  // before the last digit, 3 times that is below one: every digit comes out exactly.
  static uint16_t encode(const int* fields) {
    unsigned value = 0;
    for (int f = 0; f < kFields; ++f)
      value =
          value * static_cast<unsigned>(kRadix[f]) + static_cast<unsigned>(fields[f] + kBias[f]);
    return static_cast<uint16_t>((value * 65536ULL + kValues - 1) / kValues);
  }

  static bool decode(uint16_t word, int* fields) {
    unsigned fraction = word;
    for (int f = 0; f < kFields; ++f) {
      const unsigned scaled = fraction * static_cast<unsigned>(kRadix[f]);
      fields[f] = static_cast<int>(scaled >> 16) - kBias[f];
      fraction = scaled & 0xffff;
    }
    return encode(fields) == word;
  }

  // word = ceil(v * 2^16 / 3^10) for a whole v where word * 3^10 mod 2^16 < 3^10.
  static uint16_t invalid_bits(uint16_t word) {
    return static_cast<uint16_t>(word * kValues) >= kValues ? 1 : 0;
  }
};

}  // namespace

const WordFormat& b3_format() {
  static constexpr WordFormat kFormat = make_word_format<B3>();
  return kFormat;
}

}  // namespace bitnetc
