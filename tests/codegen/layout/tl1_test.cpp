// The bits of tl1 as docs/layouts/tl1.md gives them.
#include <gtest/gtest.h>

#include "tests/codegen/layout/layout_support.h"

namespace bitnetc::test {
namespace {

// The example of the page: row 3 of 16 x 16, columns 1, 5, 9, 13 = -1, +1, 0, +1.
TEST(Tl1Layout, OneByteByHand) {
  std::vector<int8_t> trits(16 * 16, 0);
  trits[3 * 16 + 1] = -1;
  trits[3 * 16 + 5] = +1;
  trits[3 * 16 + 13] = +1;
  const auto bytes = packed({.id = LayoutId::kTl1, .n = 16, .k = 16}, trits);
  ASSERT_EQ(bytes.size(), 64u);
  for (size_t i = 0; i < bytes.size(); ++i) EXPECT_EQ(bytes[i], i == 7 ? 0x1e : 0) << "byte " << i;
}

TEST(Tl1Layout, Sizes) {
  for (const int64_t k : {2560, 4096, 6912, 8640})
    EXPECT_EQ((WeightLayout{.id = LayoutId::kTl1, .n = 16, .k = k}).bits_per_weight(), 2.0) << k;
  const WeightLayout ragged{.id = LayoutId::kTl1, .n = 17, .k = 33};
  EXPECT_EQ(ragged.padded_k(), 48);
  EXPECT_EQ(ragged.total_bytes(), 2 * 3 * 64);
}

TEST(Tl1Layout, EveryColumnHasOnePlace) {
  expect_columns_once(tl1_format());
}

// 9^4 of them.
TEST(Tl1Layout, EveryValueHasOneWord) {
  expect_one_word_per_value(tl1_format());
}

TEST(Tl1Layout, OtherWordsAreRefusedWithTheirPlace) {
  expect_other_words_refused(LayoutId::kTl1);
  EXPECT_TRUE(unpack_with_word(LayoutId::kTl1, 0x4c4c).ok());   // 4, -4, 4, -4
  EXPECT_FALSE(unpack_with_word(LayoutId::kTl1, 0x0050).ok());  // 5
  EXPECT_FALSE(unpack_with_word(LayoutId::kTl1, 0xb000).ok());  // -5
}

}  // namespace
}  // namespace bitnetc::test
