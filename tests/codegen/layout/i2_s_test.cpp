// The bits of i2_s as docs/layouts/i2_s.md gives them.
#include "codegen/layout/i2_s.h"

#include <gtest/gtest.h>

#include "tests/codegen/layout/layout_support.h"

namespace bitnetc::test {
namespace {

// The example of docs/layouts/i2_s.md.
TEST(I2SLayout, OneByteByHand) {
  const WeightLayout layout{.n = 16, .k = 16};
  std::vector<int8_t> trits(16 * 16, 0);
  // Row 3, columns 1, 5, 9, 13: byte 4*3 + 1 = 13, planes 0, 1, 2, 3.
  trits[3 * 16 + 1] = -1;
  trits[3 * 16 + 5] = +1;
  trits[3 * 16 + 9] = 0;
  trits[3 * 16 + 13] = +1;
  const std::vector<uint8_t> bytes = packed(layout, trits);
  for (size_t i = 0; i < bytes.size(); ++i)
    EXPECT_EQ(bytes[i], i == 13 ? 0b10'01'10'00 : 0b01'01'01'01) << "byte " << i;
}

TEST(I2SLayout, Sizes) {
  const WeightLayout even{.n = 2560, .k = 6912};
  EXPECT_EQ(even.tile_bytes(), 6912 / 16 * 64);
  EXPECT_EQ(even.total_bytes(), 2560 * 6912 / 4);
  EXPECT_DOUBLE_EQ(even.bits_per_weight(), 2.0);
  const WeightLayout ragged{.n = 17, .k = 33};
  EXPECT_EQ(ragged.padded_n(), 32);
  EXPECT_EQ(ragged.padded_k(), 48);
  EXPECT_EQ(ragged.total_bytes(), 2 * 3 * 64);
}

TEST(I2SLayout, UnpackNamesTheFirstInvalidCode) {
  const WeightLayout layout{.n = 16, .k = 16};
  std::vector<uint8_t> packed(64, 0b01010101);
  packed[4 * 2 + 3] |= 0b00110000;
  std::vector<int8_t> trits(256);
  const Status status = unpack(layout, packed, trits);
  EXPECT_EQ(status.code(), StatusCode::kDataCorrupt);
  EXPECT_EQ(status.message(), "unpack i2s: code of weight (2, 11) is 3, expected 0..2");
}

}  // namespace
}  // namespace bitnetc::test
