// The bits of tl2 as docs/layouts/tl2.md gives them.
#include <gtest/gtest.h>

#include "tests/codegen/layout/layout_support.h"

namespace bitnetc::test {
namespace {

// The example of the page: row 3 of 16 x 36, columns 1, 5, 9 = -1, +1, 0.
TEST(Tl2Layout, OneWordByHand) {
  std::vector<int8_t> trits(16 * 36, 0);
  trits[3 * 36 + 1] = -1;
  trits[3 * 36 + 5] = +1;
  const auto bytes = packed({.id = LayoutId::kTl2, .n = 16, .k = 36}, trits);
  ASSERT_EQ(bytes.size(), 128u);
  for (size_t i = 0; i < bytes.size(); ++i)
    EXPECT_EQ(bytes[i], i == 6 ? 0xc0 : i == 7 ? 0x02 : 0) << "byte " << i;
}

TEST(Tl2Layout, Sizes) {
  const auto bits = [](int64_t k) {
    return WeightLayout{.id = LayoutId::kTl2, .n = 16, .k = k}.bits_per_weight();
  };
  EXPECT_DOUBLE_EQ(bits(2560), 1.8);
  EXPECT_DOUBLE_EQ(bits(6912), 16.0 / 9.0);
  EXPECT_DOUBLE_EQ(bits(4096), 1.78125);
  EXPECT_DOUBLE_EQ(bits(8640), 16.0 / 9.0);
  const WeightLayout ragged{.id = LayoutId::kTl2, .n = 17, .k = 37};
  EXPECT_EQ(ragged.padded_k(), 72);
  EXPECT_EQ(ragged.total_bytes(), 2 * 2 * 128);
}

TEST(Tl2Layout, EveryColumnHasOnePlace) {
  expect_columns_once(tl2_format());
}

// 27^3 of them.
TEST(Tl2Layout, EveryValueHasOneWord) {
  expect_one_word_per_value(tl2_format());
}

TEST(Tl2Layout, OtherWordsAreRefusedWithTheirPlace) {
  expect_other_words_refused(LayoutId::kTl2);
  EXPECT_TRUE(unpack_with_word(LayoutId::kTl2, 0b0'11101'01101'00000).ok());   // -13, 13, 0
  EXPECT_FALSE(unpack_with_word(LayoutId::kTl2, 0b0'00000'00000'01110).ok());  // 14
  EXPECT_FALSE(unpack_with_word(LayoutId::kTl2, 0b0'00000'10000'00000).ok());  // a negative zero
  EXPECT_FALSE(unpack_with_word(LayoutId::kTl2, 0b1'00000'00000'00000).ok());  // the unused bit
}

}  // namespace
}  // namespace bitnetc::test
