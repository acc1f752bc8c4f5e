// tl2: triples of weights, five bits each, three to a word (docs/layouts/tl2.md).
#include "codegen/layout/word_rows.h"

namespace bitnetc {
namespace {

struct Tl2 {
  static constexpr int kWords = 4, kColumns = 36, kFields = 3;
  static constexpr int kTrits[kFields] = {3, 3, 3};
  static constexpr int kSign = 16, kMagnitude = 15;  // bits of a field

  // Twelve columns to a group: words 0, 1 hold group 0 and words 2, 3 group 1 in their fields 0 and
  // 1, and the third fields of all four words hold group 2.
  static constexpr int column(int w, int f, int t) {
    const int group = f == 2 ? 2 : w / 2;
    const int byte = f == 2 ? w : 2 * (w % 2) + f;
    return 12 * group + 4 * t + byte;
  }

  // Magnitude in four bits, sign above.
  static uint16_t encode(const int* fields) {
    int word = 0;
    for (int f = 0; f < kFields; ++f) {
      const int code = fields[f] < 0 ? kSign - fields[f] : fields[f];
      word |= code << (5 * f);
    }
    return static_cast<uint16_t>(word);
  }

  static bool decode(uint16_t word, int* fields) {
    bool valid = word >> (5 * kFields) == 0;
    for (int f = 0; f < kFields; ++f) {
      const int code = word >> (5 * f) & (kSign | kMagnitude), magnitude = code & kMagnitude;
      valid &= magnitude <= kMaxFieldValue && code != kSign;  // zero has no sign
      fields[f] = code < kSign ? magnitude : -magnitude;
    }
    return valid;
  }

  // A magnitude of 14 or 15 plus 2, and one of 1 or more plus 15, carry into the place of the sign.
  static uint16_t invalid_bits(uint16_t word) {
    constexpr unsigned kMagnitudes = 0x3def, kSigns = 0x4210, kTwoEach = 0x0842;
    const unsigned magnitudes = word & kMagnitudes;
    const unsigned too_large = (magnitudes + kTwoEach) & kSigns;
    const unsigned signed_zero = word & kSigns & ~(magnitudes + kMagnitudes);
    return static_cast<uint16_t>(too_large | signed_zero | (word & 0x8000U));
  }
};

}  // namespace

const WordFormat& tl2_format() {
  static constexpr WordFormat kFormat = make_word_format<Tl2>();
  return kFormat;
}

}  // namespace bitnetc
