// The bits of b3 as docs/layouts/b3.md gives them.
#include <gtest/gtest.h>

#include "tests/codegen/layout/layout_support.h"

namespace bitnetc::test {
namespace {

// The example of the page: row 3 of 16 x 20, columns 1, 5, 9 = -1, +1, 0.
TEST(B3Layout, OneWordByHand) {
  std::vector<int8_t> trits(16 * 20, 0);
  trits[3 * 20 + 1] = -1;
  trits[3 * 20 + 5] = +1;
  const auto bytes = packed({.id = LayoutId::kB3, .n = 16, .k = 20}, trits);
  ASSERT_EQ(bytes.size(), 64u);
  for (size_t i = 0; i < bytes.size(); ++i) {
    const int zero = i % 2 == 0 ? 0x00 : 0x80;
    EXPECT_EQ(bytes[i], i == 6 ? 0xe5 : i == 7 ? 0x7d : zero) << "byte " << i;
  }
}

TEST(B3Layout, Sizes) {
  const auto bits = [](int64_t k) {
    return WeightLayout{.id = LayoutId::kB3, .n = 16, .k = k}.bits_per_weight();
  };
  EXPECT_DOUBLE_EQ(bits(2560), 1.6);
  EXPECT_DOUBLE_EQ(bits(6912), 32.0 * 346 / 6912);
  EXPECT_DOUBLE_EQ(bits(4096), 32.0 * 205 / 4096);
  EXPECT_DOUBLE_EQ(bits(8640), 1.6);
  const WeightLayout ragged{.id = LayoutId::kB3, .n = 17, .k = 33};
  EXPECT_EQ(ragged.padded_k(), 40);
  EXPECT_EQ(ragged.total_bytes(), 2 * 2 * 64);
}

// The digits as kernels take them: four multiplications, each by its field's radix.
TEST(B3Layout, MultiplyingTakesTheFieldsOut) {
  for (unsigned value = 0; value < 59049; ++value) {
    const int digits[] = {static_cast<int>(value / 2187), static_cast<int>(value / 81 % 27),
                          static_cast<int>(value / 3 % 27), static_cast<int>(value % 3)};
    const int fields[] = {digits[0] - 13, digits[1] - 13, digits[2] - 13, digits[3] - 1};
    unsigned fraction = b3_format().encode(fields);
    for (int f = 0; f < 4; ++f) {
      const unsigned scaled = fraction * (f < 3 ? 27 : 3);
      ASSERT_EQ(scaled >> 16, static_cast<unsigned>(digits[f])) << "value " << value;
      fraction = scaled & 0xffff;
    }
  }
}

TEST(B3Layout, EveryColumnHasOnePlace) {
  expect_columns_once(b3_format());
}

// 3^10 of them.
TEST(B3Layout, EveryValueHasOneWord) {
  expect_one_word_per_value(b3_format());
}

TEST(B3Layout, OtherWordsAreRefusedWithTheirPlace) {
  expect_other_words_refused(LayoutId::kB3);
  EXPECT_TRUE(unpack_with_word(LayoutId::kB3, 0x0000).ok());   // ten times -1
  EXPECT_TRUE(unpack_with_word(LayoutId::kB3, 0xffff).ok());   // ten times +1
  EXPECT_FALSE(unpack_with_word(LayoutId::kB3, 0x0001).ok());  // between the values 0 and 1
}

}  // namespace
}  // namespace bitnetc::test
