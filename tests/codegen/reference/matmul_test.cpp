#include <gtest/gtest.h>

#include <bit>
#include <cmath>
#include <limits>
#include <vector>

#include "codegen/reference/reference.h"
#include "tests/support/random_values.h"

namespace bitnetc {
namespace {

// A matrix by the text of docs/layouts/i2_s.md, independent of the packer: every weight 0, then set
// one by one.
struct PackedByHand {
  PackedByHand(int64_t n_rows, int64_t k_columns)
      : tile_bytes((k_columns + 15) / 16 * 64),
        bytes(static_cast<size_t>(n_rows / kTileRows * tile_bytes), 0x55) {}

  void set(int64_t n, int64_t k, int weight) {
    const int64_t at = n / 16 * tile_bytes + k / 16 * 64 + n % 16 * 4 + k % 4;
    const int shift = static_cast<int>(2 * (k % 16 / 4));
    uint8_t& byte = bytes[static_cast<size_t>(at)];
    byte = static_cast<uint8_t>((byte & ~(3 << shift)) | (weight + 1) << shift);
  }

  int64_t tile_bytes;
  std::vector<uint8_t> bytes;
};

// One call of the reference with rows of x and y packed tightly.
struct Problem {
  MatmulSpec spec;
  PackedByHand w;
  std::vector<int8_t> x;
  std::vector<float> x_scale, tile_scale, residual, y;
  std::vector<int32_t> x_sum;

  explicit Problem(const MatmulSpec& of)
      : spec(of),
        w(of.n, of.k),
        x(static_cast<size_t>(of.m * of.k)),
        x_scale(static_cast<size_t>(of.m), 1.0f),
        tile_scale(static_cast<size_t>(of.n / kTileRows), 1.0f),
        residual(static_cast<size_t>(of.m * of.output_columns())),
        y(residual.size(), -77.0f),
        x_sum(static_cast<size_t>(of.m)) {}

  void run(int64_t tile_begin, int64_t tile_end) {
    reference::matmul(spec, {.x = x.data(),
                             .w = w.bytes.data(),
                             .y = y.data(),
                             .x_scale = x_scale.data(),
                             .x_sum = x_sum.data(),
                             .tile_scale = tile_scale.data(),
                             .residual = residual.data(),
                             .x_stride = spec.k,
                             .y_stride = spec.output_columns(),
                             .tile_begin = tile_begin,
                             .tile_end = tile_end});
  }
};

TEST(ReferenceMatmulTest, SumsExactlyAndScalesWithTheTilesOwnFactor) {
  Problem p({.n = 32, .k = 3});
  p.x = {100, -127, 7};
  p.w.set(0, 0, 1);
  p.w.set(0, 1, -1);
  p.w.set(17, 2, -1);
  p.x_scale = {0.5f};
  p.tile_scale = {2.0f, 0.25f};
  p.run(0, 2);
  EXPECT_EQ(p.y[0], 227.0f);
  EXPECT_EQ(p.y[1], 0.0f);
  EXPECT_EQ(p.y[17], -7.0f * 0.125f);
}

TEST(ReferenceMatmulTest, TheScalesAreMultipliedFirst) {
  // (1/3 * 3) rounds to 1, but (5 * 1/3) * 3 does not give 5 in every rounding order.
  Problem p({.n = 16, .k = 1});
  p.x = {49};
  p.w.set(0, 0, 1);
  p.x_scale = {1.0f / 49.0f};
  p.tile_scale = {3.1f};
  p.run(0, 1);
  const float product = (1.0f / 49.0f) * 3.1f;
  EXPECT_EQ(p.y[0], 49.0f * product);
  EXPECT_NE(p.y[0], (49.0f * (1.0f / 49.0f)) * 3.1f)
      << "the example does not tell the orders apart";
}

TEST(ReferenceMatmulTest, ColumnsLieInPlanesOfFour) {
  Problem p({.n = 16, .k = 40});
  for (int64_t k = 0; k < 40; ++k) {
    std::fill(p.x.begin(), p.x.end(), static_cast<int8_t>(0));
    p.x[static_cast<size_t>(k)] = static_cast<int8_t>(k + 1);
    PackedByHand fresh(16, 40);
    fresh.set(k % 16, k, -1);
    p.w = fresh;
    p.run(0, 1);
    for (int64_t n = 0; n < 16; ++n)
      EXPECT_EQ(p.y[static_cast<size_t>(n)], n == k % 16 ? -static_cast<float>(k + 1) : 0.0f) << k;
  }
}

TEST(ReferenceMatmulTest, ResidualIsAddedLast) {
  Problem p({.n = 16, .k = 2, .m = 2, .epilogue = Epilogue::kResidual});
  p.x = {1, 2, 3, 4};
  p.w.set(5, 0, 1);
  p.w.set(5, 1, 1);
  p.x_scale = {1.0f, 10.0f};
  p.residual[5] = 0.5f;
  p.residual[16 + 5] = -1.0f;
  p.run(0, 1);
  EXPECT_EQ(p.y[5], 3.5f);
  EXPECT_EQ(p.y[16 + 5], 69.0f);
}

TEST(ReferenceMatmulTest, Relu2MulTakesTilesInPairs) {
  Problem p({.n = 64, .k = 1, .epilogue = Epilogue::kRelu2Mul});
  p.x = {3};
  p.w.set(32 + 4, 0, 1);   // gate of output column 16 + 4
  p.w.set(48 + 4, 0, -1);  // its up row
  p.w.set(32 + 5, 0, -1);  // a negative gate
  p.w.set(48 + 5, 0, 1);
  p.tile_scale = {1.0f, 1.0f, 2.0f, 0.5f};
  p.run(2, 4);
  EXPECT_EQ(p.y[16 + 4], 6.0f * 6.0f * -1.5f);
  EXPECT_EQ(p.y[16 + 5], 0.0f);
  EXPECT_EQ(p.y[0], -77.0f) << "tiles 0 and 1 were not asked for";
}

TEST(ReferenceMatmulTest, Relu2MulOfZeroAndNegativeZeroGates) {
  Problem p({.n = 32, .k = 1, .epilogue = Epilogue::kRelu2Mul});
  p.x = {3};
  p.w.set(16, 0, -1);            // up = -3
  p.tile_scale = {-1.0f, 1.0f};  // gate = 0 * -1 = -0
  p.run(0, 1 + 1);
  EXPECT_EQ(std::bit_cast<uint32_t>(p.y[0]), 0x80000000u);  // (+0 * +0) * -3
  p.tile_scale = {std::numeric_limits<float>::quiet_NaN(), 1.0f};
  p.run(0, 2);
  EXPECT_EQ(std::bit_cast<uint32_t>(p.y[0]), 0x80000000u);  // a NaN gate counts as +0
}

TEST(ReferenceMatmulTest, OnlyTheTilesAskedForAreWritten) {
  Problem p({.n = 48, .k = 8});
  p.run(1, 2);
  for (int64_t n = 0; n < 48; ++n)
    EXPECT_EQ(p.y[static_cast<size_t>(n)], n / 16 == 1 ? 0.0f : -77.0f);
}

TEST(ReferenceMatmulTest, AgreesWithALoopOverTheWeights) {
  test::RandomValues random(7);
  Problem p({.n = 48, .k = 100, .m = 3});
  std::vector<int> weights(static_cast<size_t>(p.spec.n * p.spec.k));
  for (int64_t n = 0; n < p.spec.n; ++n) {
    for (int64_t k = 0; k < p.spec.k; ++k) {
      const int weight = static_cast<int>(random.integer(-1, 1));
      weights[static_cast<size_t>(n * p.spec.k + k)] = weight;
      p.w.set(n, k, weight);
    }
  }
  for (int8_t& x : p.x) x = static_cast<int8_t>(random.integer(-128, 127));
  p.run(0, 3);
  for (int64_t m = 0; m < p.spec.m; ++m) {
    for (int64_t n = 0; n < p.spec.n; ++n) {
      int sum = 0;
      for (int64_t k = 0; k < p.spec.k; ++k)
        sum += p.x[static_cast<size_t>(m * p.spec.k + k)] *
               weights[static_cast<size_t>(n * p.spec.k + k)];
      EXPECT_EQ(p.y[static_cast<size_t>(m * p.spec.n + n)], static_cast<float>(sum));
    }
  }
}

}  // namespace
}  // namespace bitnetc
