#include "autotune/machine.h"

#include <gtest/gtest.h>

#include <chrono>

#include "runtime/cpu_features.h"
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

// A unit that starts up to four 512-bit instructions a cycle stays below 10 Top/s a core; a loop that was
// merged or skipped does not.
TEST(Machine, Int8PeaksArePlausible) {
  const Target machine = machine_target();
  for (const Isa isa : {Isa::kAvx2, Isa::kAvxVnni, Isa::kAvx512Vnni}) {
    for (const int threads : {1, usable_cpu_count()}) {
      const double peak = measure_int8_peak(isa, threads, 20);
      if (!machine.supports(isa)) {
        EXPECT_EQ(peak, 0) << isa_name(isa);
        continue;
      }
      EXPECT_GT(peak, 5e9) << int8_unit_name(isa) << ", " << threads << " threads";
      EXPECT_LT(peak, 10e12 * threads) << int8_unit_name(isa) << ", " << threads << " threads";
    }
  }
  EXPECT_EQ(measure_int8_peak(Isa::kScalar, 1), 0);
}

// The 512-bit unit is not slower than the 256-bit one.
TEST(Machine, WiderUnitsAreNotSlower) {
  const Target machine = machine_target();
  if (!machine.supports(Isa::kAvxVnni) || !machine.supports(Isa::kAvx512Vnni))
    GTEST_SKIP() << "this CPU lacks a tier";
  EXPECT_GT(measure_int8_peak(Isa::kAvx512Vnni, 1), 0.7 * measure_int8_peak(Isa::kAvxVnni, 1));
}

TEST(Machine, UnitsHaveNames) {
  EXPECT_EQ(int8_unit_name(Isa::kAvx2), "vpmaddubsw+vpaddw");
  EXPECT_EQ(int8_unit_name(Isa::kAmx), "tdpbsud");
}

}  // namespace
}  // namespace bitnetc
