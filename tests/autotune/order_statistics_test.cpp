#include "autotune/order_statistics.h"

#include <gtest/gtest.h>

#include <numeric>
#include <random>

namespace bitnetc {
namespace {

std::vector<double> one_to(int count) {
  std::vector<double> values(static_cast<size_t>(count));
  std::iota(values.begin(), values.end(), 1.0);
  return values;
}

// Ranks as in the tables of textbooks.
TEST(MedianInterval, RanksOfKnownSizes) {
  struct Case {
    int samples;
    double confidence, low, high;
  };
  for (const Case& c : {Case{6, 0.95, 1, 6}, Case{10, 0.95, 2, 9}, Case{25, 0.95, 8, 18},
                        Case{100, 0.95, 40, 61}, Case{8, 0.99, 1, 8}, Case{20, 0.99, 4, 17}}) {
    const MedianInterval interval = median_interval(one_to(c.samples), c.confidence);
    EXPECT_EQ(interval.low, c.low) << c.samples << " at " << c.confidence;
    EXPECT_EQ(interval.high, c.high) << c.samples << " at " << c.confidence;
    EXPECT_EQ(interval.median, (1 + c.samples) / 2.0);
  }
}

TEST(MedianInterval, TooFewSamplesGiveTheirRange) {
  const MedianInterval five = median_interval({4, 1, 3, 5, 2}, 0.95);
  EXPECT_EQ(five.low, 1);
  EXPECT_EQ(five.median, 3);
  EXPECT_EQ(five.high, 5);
  EXPECT_EQ(median_interval({7}, 0.95).low, 7);
  EXPECT_EQ(median_interval({}, 0.95).high, 0);
}

TEST(MedianInterval, ManySamplesStayInRangeOfNumbers) {
  const MedianInterval interval = median_interval(one_to(5000), 0.95);
  EXPECT_NEAR(interval.low, 2500 - 0.98 * 71, 3);  // 1.96 / 2 * sqrt(n)
  EXPECT_NEAR(interval.high, 2500 + 0.98 * 71, 3);
}

TEST(MedianInterval, EnclosesTheMedianOfASkewedDistributionAsOftenAsItSays) {
  constexpr int kTrials = 2000;
  std::mt19937 random(1);
  std::lognormal_distribution<double> skewed(0, 1);  // median 1
  int enclosed = 0;
  for (int trial = 0; trial < kTrials; ++trial) {
    std::vector<double> values(15);
    for (double& value : values) value = skewed(random);
    const MedianInterval interval = median_interval(values, 0.95);
    enclosed += interval.low <= 1 && 1 <= interval.high;
  }
  EXPECT_GT(enclosed, kTrials * 0.945);  // with 15 samples the ranks give 96.5 %
  EXPECT_LT(enclosed, kTrials * 0.985);
}

}  // namespace
}  // namespace bitnetc
