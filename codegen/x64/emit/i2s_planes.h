// How a kernel reads the four two-bit planes of i2_s bytes (docs/layouts/i2_s.md).
//
// A plane need not be shifted down before it is multiplied: b & 0x0C is 4 * code, and a sum of such
// products is 4 * the sum wanted, exactly. With one accumulator per scale the division moves out of
// the loop. `scales` is how many accumulators a sum gets:
//
//   scales  plane 0      plane 1      plane 2      plane 3      shifts per vector of bytes
//     4     b & 03       b & 0C       b & 30       b & C0       0     products x 1, 4, 16, 64
//     2     b & 03       b & 0C       b>>4 & 03    b>>4 & 0C    1     products x 1, 4
//     1     b & 03       b>>2 & 03    b>>4 & 03    b>>6 & 03    3     products x 1
#pragma once

#include <cstdint>

namespace bitnetc::x64 {

class I2sPlanes {
 public:
  static constexpr int kCount = 4;

  explicit constexpr I2sPlanes(int scales) : scales_(scales) {}

  constexpr int scales() const { return scales_; }
  // Accumulator (and mask) that plane `p` belongs to, and log2 of its products' scale.
  constexpr int scale_of(int p) const { return p % scales_; }
  static constexpr int log2_of_scale(int scale) { return 2 * scale; }
  static constexpr uint32_t mask(int scale) { return 0x03030303U << (2 * scale); }
  // Vector instructions that decode a vector of bytes: a mask per plane, and the shifts.
  constexpr int operations() const { return kCount + kCount / scales_ - 1; }
  // How far the bytes move right between plane p-1 and plane p. Shifting 16-bit words drags in bits
  // of the neighbouring byte; the mask drops them.
  constexpr int shift_before(int p) const { return p > 0 && p % scales_ == 0 ? 2 * scales_ : 0; }

 private:
  int scales_;
};

}  // namespace bitnetc::x64
