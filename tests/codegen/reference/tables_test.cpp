#include <gtest/gtest.h>

#include <cmath>
#include <vector>

#include "codegen/reference/reference.h"
#include "runtime/math.h"

namespace bitnetc {
namespace {

TEST(ReferenceEmbedTest, WidensTheTokensRow) {
  const std::vector<float> values = {1, -2, 0.5f, 3, 1024, -0.25f};
  std::vector<uint16_t> f16, bf16;
  for (const float value : values) {
    f16.push_back(math::round_to_f16(value));
    bf16.push_back(math::round_to_bf16(value));
  }
  std::vector<float> h(3);
  const auto row_one = [&](FloatType type, const void* table) {
    reference::embed({.k = 3, .type = type}, {.table = table, .h = h.data(), .token = 1});
    return h;
  };
  const std::vector<float> expected = {3, 1024, -0.25f};
  EXPECT_EQ(row_one(FloatType::kF32, values.data()), expected);
  EXPECT_EQ(row_one(FloatType::kF16, f16.data()), expected);
  EXPECT_EQ(row_one(FloatType::kBf16, bf16.data()), expected);
}

TEST(ReferenceHeadTest, DotsInSixtyFourLanes) {
  // In lane 0: 2^24, then 1, then -2^24: the 1 is lost. In lane 1 another 1 survives.
  std::vector<float> hidden(130, 0.0f), table(2 * 130, 1.0f);
  hidden[0] = 0x1p24f;
  hidden[64] = 1;
  hidden[128] = -0x1p24f;
  hidden[65] = 1;
  for (size_t i = 0; i < 130; ++i) table[130 + i] = -2;
  std::vector<float> logits = {7, 7};
  const HeadSpec spec{.n = 2, .k = 130, .type = FloatType::kF32};
  reference::head(spec, {.hidden = hidden.data(),
                         .table = table.data(),
                         .logits = logits.data(),
                         .hidden_stride = 130,
                         .logits_stride = 2,
                         .rows = 1,
                         .row_begin = 1,
                         .row_end = 2});
  EXPECT_EQ(logits[0], 7.0f) << "row 0 was not asked for";
  EXPECT_EQ(logits[1], -2.0f);
  reference::head(spec, {.hidden = hidden.data(),
                         .table = table.data(),
                         .logits = logits.data(),
                         .hidden_stride = 130,
                         .logits_stride = 2,
                         .rows = 1,
                         .row_begin = 0,
                         .row_end = 2});
  EXPECT_EQ(logits[0], 1.0f);
}

TEST(ReferenceHeadTest, ProductsAreFused) {
  const std::vector<float> hidden(65, 0x1.000002p+0f);
  std::vector<float> table(65, 0.0f);
  table[0] = -0x1.000002p+0f;
  table[64] = 0x1.000006p+0f;
  float logit = 0;
  reference::head({.n = 1, .k = 65, .type = FloatType::kF32}, {.hidden = hidden.data(),
                                                               .table = table.data(),
                                                               .logits = &logit,
                                                               .hidden_stride = 65,
                                                               .logits_stride = 1,
                                                               .rows = 1,
                                                               .row_begin = 0,
                                                               .row_end = 1});
  const float first = -0x1.000004p+0f;  // the square of hidden[0], rounded
  EXPECT_EQ(logit, std::fma(hidden[64], table[64], first));
  EXPECT_NE(logit, hidden[64] * table[64] + first);
}

}  // namespace
}  // namespace bitnetc
