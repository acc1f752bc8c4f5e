#include "autotune/noise.h"

#include <gtest/gtest.h>

namespace bitnetc {
namespace {

TEST(Noise, ReadsTheTimesOfAllCpus) {
  const auto times = parse_cpu_seconds(
      "cpu  1000 200 300 5000 100 10 20 30 7 0\ncpu0 1 2 3 4 5 6 7 8 9 10\n", 100);
  ASSERT_TRUE(times);
  EXPECT_DOUBLE_EQ(times->busy, 15.3);
  EXPECT_DOUBLE_EQ(times->idle, 51);
  EXPECT_DOUBLE_EQ(times->stolen, 0.3);
}

TEST(Noise, RefusesWhatIsNoSuchLine) {
  EXPECT_FALSE(parse_cpu_seconds("", 100));
  EXPECT_FALSE(parse_cpu_seconds("cpu0 1 2 3 4 5 6 7 8", 100));
  EXPECT_FALSE(parse_cpu_seconds("cpu 1 2 3 4", 100));
  EXPECT_FALSE(parse_cpu_seconds("cpu 1 2 3 4 5 6 7 many", 100));
  EXPECT_FALSE(parse_cpu_seconds("cpu 1 2 3 4 5 6 7 8", 0));
}

TEST(Noise, OwnTimeIsNoDisturbance) {
  const CpuSeconds before{.busy = 100, .idle = 50, .stolen = 1};
  const CpuSeconds after{.busy = 106, .idle = 53, .stolen = 2};
  const Disturbance half = disturbance_between(before, after, 3);
  EXPECT_DOUBLE_EQ(half.others, 0.3);
  EXPECT_DOUBLE_EQ(half.stolen, 0.1);
  EXPECT_EQ(disturbance_between(before, after, 6).others, 0);
  EXPECT_EQ(disturbance_between(before, after, 7).others, 0) << "ticks are coarse";
  EXPECT_EQ(disturbance_between(before, before, 1).others, 0);
}

TEST(Noise, AMeterStaysWithinItsScale) {
  const DisturbanceMeter meter;
  const Disturbance read = meter.read();
  EXPECT_GE(read.others, 0);
  EXPECT_LE(read.others, 1);
  EXPECT_GE(read.stolen, 0);
  EXPECT_LE(read.stolen, 1);
}

}  // namespace
}  // namespace bitnetc
