#include "autotune/machine.h"

#include <gtest/gtest.h>

#include <chrono>

#include "runtime/thread_pool.h"

namespace bitnetc {
namespace {

TEST(Machine, CacheSizesAreOrdered) {
  const CacheSizes sizes = cache_sizes();
  if (sizes.l1d_bytes == 0) GTEST_SKIP() << "this system does not say how large its caches are";
  EXPECT_GE(sizes.l1d_bytes, 8 << 10);
  EXPECT_LE(sizes.l1d_bytes, 1 << 20);
  EXPECT_TRUE(sizes.l2_bytes == 0 || sizes.l2_bytes >= sizes.l1d_bytes) << sizes.l2_bytes;
  EXPECT_TRUE(sizes.l3_bytes == 0 || sizes.l3_bytes >= sizes.l2_bytes) << sizes.l3_bytes;
}

// The bounds only catch a wrong unit or a loop that was optimised away: no machine reads from
// memory at less than 0.2 GB/s, and no core at more than 500 GB/s.
TEST(Machine, ReadBandwidthIsPlausible) {
  for (int threads : {1, usable_cpu_count()}) {
    const double bytes_per_second = measure_read_bandwidth(threads, 100);
    EXPECT_GT(bytes_per_second, 0.2e9) << threads << " threads";
    EXPECT_LT(bytes_per_second, 500e9 * threads) << threads << " threads";
  }
}

TEST(Machine, MoreThreadsThanCpusStillMeasure) {
  EXPECT_GT(measure_read_bandwidth(usable_cpu_count() + 3, 1), 0.0);
}

}  // namespace
}  // namespace bitnetc
