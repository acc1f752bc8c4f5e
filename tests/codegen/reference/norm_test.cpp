#include <gtest/gtest.h>

#include <bit>
#include <cmath>
#include <limits>
#include <vector>

#include "codegen/reference/reference.h"
#include "tests/support/random_values.h"

namespace bitnetc {
namespace {

struct Quantised {
  std::vector<int8_t> q;
  std::vector<float> normed;
  float scale = -1;
  int32_t sum = -1;
};

Quantised norm_quantize(const std::vector<float>& x, const std::vector<float>& weight, float eps) {
  const NormQuantizeSpec spec{.k = static_cast<int64_t>(x.size()), .eps = eps};
  Quantised out;
  out.q.assign(static_cast<size_t>(spec.padded_k()), 99);
  out.normed.resize(x.size());
  reference::norm_quantize(spec, {.x = x.data(),
                                  .weight = weight.data(),
                                  .q = out.q.data(),
                                  .scale = &out.scale,
                                  .sum = &out.sum,
                                  .normed = out.normed.data()});
  return out;
}

TEST(ReferenceNormTest, SmallExample) {
  // ss = 4 + 16 + 16 + 64 = 100, mean 25, r = 1/5.
  const std::vector<float> x = {2, -4, 4, 8}, weight = {1, 0.5f, 2, 10};
  std::vector<float> y(4);
  reference::rms_norm({.k = 4, .eps = 0}, {.x = x.data(), .weight = weight.data(), .y = y.data()});
  const float r = 1.0f / 5.0f;
  EXPECT_EQ(y, (std::vector<float>{2 * r, -4 * r * 0.5f, 4 * r * 2, 8 * r * 10}));
}

TEST(ReferenceNormTest, EpsIsAddedToTheMean) {
  const std::vector<float> x = {1, 1}, weight = {1, 1};
  std::vector<float> y(2);
  reference::rms_norm({.k = 2, .eps = 3}, {.x = x.data(), .weight = weight.data(), .y = y.data()});
  EXPECT_EQ(y[0], 0.5f);
}

TEST(ReferenceNormTest, HeadsAreNormedByThemselvesInPlace) {
  // Means of the squares 25 and 100, so r = 1/5 and 1/10.
  std::vector<float> x = {1, 7, 10, -10};
  const std::vector<float> weight = {1, 2};
  reference::head_norm({.heads = 2, .head_dim = 2, .eps = 0},
                       {.x = x.data(), .weight = weight.data()});
  const float fifth = 1.0f / 5.0f, tenth = 1.0f / 10.0f;
  EXPECT_EQ(x, (std::vector<float>{1 * fifth, 7 * fifth * 2, 10 * tenth, -10 * tenth * 2}));
}

TEST(ReferenceNormTest, SquaresAreSummedInSixtyFourLanes) {
  // 2^24 in lane 0 swallows a later 1 in the same lane, but not 1s in lane 1.
  std::vector<float> x(130, 0.0f), weight(130, 1.0f), y(130);
  x[0] = 4096;
  x[64] = 1;
  const auto first_output = [&] {
    reference::rms_norm({.k = 130, .eps = 0},
                        {.x = x.data(), .weight = weight.data(), .y = y.data()});
    return y[0];
  };
  const auto expected = [](float sum_of_squares) {
    return 4096.0f * (1.0f / std::sqrt(sum_of_squares / 130.0f));
  };
  EXPECT_EQ(first_output(), expected(16777216.0f));
  x[64] = 0;
  x[1] = x[65] = 1;
  EXPECT_EQ(first_output(), expected(16777218.0f));
}

TEST(ReferenceNormQuantizeTest, TiesGoToEven) {
  // mean of squares 1 and eps 0 would change x; weight undoes it: normed = {127, 2.5, 3.5, -2.5,
  // 0.5}.
  const std::vector<float> x(5, 1.0f);
  const Quantised out = norm_quantize(x, {127, 2.5f, 3.5f, -2.5f, 0.5f}, 0);
  EXPECT_EQ(out.scale, 1.0f);
  EXPECT_EQ(std::vector<int8_t>(out.q.begin(), out.q.begin() + 5),
            (std::vector<int8_t>{127, 2, 4, -2, 0}));
  EXPECT_EQ(out.sum, 131);
  EXPECT_EQ(out.normed, (std::vector<float>{127, 2.5f, 3.5f, -2.5f, 0.5f}));
}

TEST(ReferenceNormQuantizeTest, PadIsZero) {
  const Quantised out =
      norm_quantize(std::vector<float>(65, 1.0f), std::vector<float>(65, 1.0f), 0);
  ASSERT_EQ(out.q.size(), 128u);
  for (size_t i = 0; i < 128; ++i) EXPECT_EQ(out.q[i], i < 65 ? 127 : 0);
  EXPECT_EQ(out.sum, 65 * 127);
}

TEST(ReferenceNormQuantizeTest, AllZeroRowUsesTheFloor) {
  const Quantised out =
      norm_quantize(std::vector<float>(70, 0.0f), std::vector<float>(70, 1.0f), 1e-5f);
  for (const int8_t q : out.q) EXPECT_EQ(q, 0);
  EXPECT_EQ(out.scale, 1e-5f / 127.0f);
  EXPECT_EQ(out.sum, 0);
}

TEST(ReferenceNormQuantizeTest, TinyRowsAreMeasuredAgainstTheFloor) {
  const Quantised out = norm_quantize({1.0f, 1.0f}, {-4e-6f, 1e-6f}, 0);
  EXPECT_EQ(out.scale, 1e-5f / 127.0f);
  EXPECT_EQ(out.q[0], -51);  // -50.8
  EXPECT_EQ(out.q[1], 13);   // 12.7
}

TEST(ReferenceQuantizeTest, TheGreatestAbsmaxIsTheMeasure) {
  const std::vector<float> x = {2.5f, -127, 3.5f};
  const float parts[] = {3.5f, 999, 127, 999, 2.5f};
  std::vector<int8_t> q(64, 99);
  float scale = -1;
  int32_t sum = -1;
  reference::quantize({.k = 3}, {.x = x.data(),
                                 .absmax = parts,
                                 .absmax_count = 3,
                                 .absmax_stride = 2,
                                 .q = q.data(),
                                 .scale = &scale,
                                 .sum = &sum});
  EXPECT_EQ(scale, 1.0f);
  EXPECT_EQ(std::vector<int8_t>(q.begin(), q.begin() + 4), (std::vector<int8_t>{2, -127, 4, 0}));
  EXPECT_EQ(sum, -121);
}

TEST(ReferenceNormQuantizeTest, TheLargestMagnitudeMapsTo127NeverMinus128) {
  test::RandomValues random(11);
  for (int round = 0; round < 20000; ++round) {
    const float weight = random.value(1.0f);
    const Quantised out = norm_quantize({-1.0f}, {weight}, 0);
    if (std::fabs(weight) < 1e-5f) continue;
    EXPECT_EQ(out.q[0], weight > 0 ? -127 : 127) << weight;
  }
}

}  // namespace
}  // namespace bitnetc
