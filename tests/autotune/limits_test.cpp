#include "autotune/limits.h"

#include <fmt/format.h>
#include <gtest/gtest.h>
#include <sys/resource.h>
#include <unistd.h>

#include <filesystem>
#include <fstream>
#include <nlohmann/json.hpp>
#include <span>
#include <string>
#include <vector>

#include "autotune/machine.h"
#include "runtime/buffer.h"
#include "runtime/cache_directory.h"
#include "runtime/cpu_features.h"
#include "runtime/thread_pool.h"
#include "tests/support/child_process.h"

namespace bitnetc {
namespace {

// The bounds only catch a wrong unit or a loop that was optimised away: no machine reads from
// memory at less than 0.2 GB/s, and no core at more than 500 GB/s.
TEST(Limits, ReadBandwidthIsPlausible) {
  for (int threads : {1, usable_cpu_count()}) {
    const double bytes_per_second = measure_read_bandwidth(threads, 100);
    EXPECT_GT(bytes_per_second, 0.2e9) << threads << " threads";
    EXPECT_LT(bytes_per_second, 500e9 * threads) << threads << " threads";
  }
}

TEST(Limits, MoreThreadsThanCpusStillMeasure) {
  EXPECT_GT(measure_read_bandwidth(usable_cpu_count() + 3, 1), 0.0);
}

// Whatever the number of threads and the size of the caches, measuring takes at most 64 MiB.
// Also where there is less to read than threads.
TEST(Limits, TheRateOfReadingGivenBytes) {
  const Buffer<uint8_t> bytes(1 << 20);
  for (const size_t size : {size_t{512}, size_t{1500}, bytes.size()}) {
    const std::span<const uint8_t> part(bytes.data(), size);
    for (const int threads : {1, 7}) EXPECT_GT(measure_read_bandwidth_of(part, threads, 1), 0);
  }
}

TEST(Limits, MeasuringTakesLittleMemory) {
  const std::string wrong = test::in_child([]() -> std::string {
    rusage before = {}, after = {};
    ::getrusage(RUSAGE_SELF, &before);
    if (!(measure_read_bandwidth(64, 1) > 0)) return "no bandwidth";
    ::getrusage(RUSAGE_SELF, &after);
    const int64_t grown_mib = (after.ru_maxrss - before.ru_maxrss) / 1024;
    return grown_mib <= 64 ? "" : fmt::format("{} MiB", grown_mib);
  });
  EXPECT_EQ(wrong, "");
}

// Threads that the system refuses are done without.
TEST(Limits, MeasuresWithTheThreadsItGets) {
  const std::string wrong = test::in_child([]() -> std::string {
    const rlimit limit = {.rlim_cur = rlim_t{1} << 30, .rlim_max = rlim_t{1} << 30};
    if (::setrlimit(RLIMIT_AS, &limit) != 0) return "cannot set the limit";
    return measure_read_bandwidth(512, 1) > 0 ? "" : "no bandwidth";
  });
  EXPECT_EQ(wrong, "");
}

// A unit that starts up to four 512-bit instructions a cycle stays below 10 Top/s a core; a loop
// that was merged or skipped does not.
TEST(Limits, Int8PeaksArePlausible) {
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
TEST(Limits, WiderUnitsAreNotSlower) {
  const Target machine = machine_target();
  if (!machine.supports(Isa::kAvxVnni) || !machine.supports(Isa::kAvx512Vnni))
    GTEST_SKIP() << "this CPU lacks a tier";
  EXPECT_GT(measure_int8_peak(Isa::kAvx512Vnni, 1), 0.7 * measure_int8_peak(Isa::kAvxVnni, 1));
}

// Between one multiply-add a cycle of a slow clock and four 512-bit ones of a fast one.
TEST(Limits, Fp32PeaksArePlausible) {
  for (const Isa isa : {Isa::kScalar, Isa::kAvx2, Isa::kAvxVnni, Isa::kAvx512Vnni, Isa::kAmx}) {
    const double peak = measure_fp32_peak(isa, 1, 20);
    const bool has_unit = fp32_unit_name(isa) != "none" && machine_target().supports(isa);
    EXPECT_EQ(peak > 0, has_unit) << isa_name(isa);
    if (!has_unit) continue;
    EXPECT_GT(peak, 2e9) << isa_name(isa);
    EXPECT_LT(peak, 1e12) << isa_name(isa);
  }
}

// A cache directory of its own for as long as it lives.
class RememberedLimits : public testing::Test {
 protected:
  ~RememberedLimits() override { std::filesystem::remove_all(folder_); }

  std::filesystem::path file() const {
    return folder_ / "limits" / (fingerprint(this_machine()) + ".json");
  }
  void write(const std::string& text) const {
    std::filesystem::create_directories(file().parent_path());
    std::ofstream(file()) << text;
  }
  nlohmann::json read() const {
    std::ifstream stream(file());
    return nlohmann::json::parse(stream, nullptr, false);
  }

  const std::filesystem::path folder_ =
      std::filesystem::temp_directory_path() / ("bitnetc-limits-" + std::to_string(::getpid()));
};

TEST_F(RememberedLimits, AreKeptUnderTheFingerprintAndFoundAgain) {
  const MachineLimits measured = remembered_limits(folder_, 1);
  ASSERT_TRUE(std::filesystem::exists(file()));
  const auto kept = CacheDirectory::open(folder_, "limits")->list();
  ASSERT_TRUE(kept.ok()) << kept.status().message();
  ASSERT_EQ(kept->size(), 1U);
  EXPECT_EQ(kept->front().name, file().filename());
  EXPECT_EQ(kept->front().problem, "");
  const MachineLimits again = remembered_limits(folder_, 1);
  EXPECT_EQ(again.read_bytes_per_second, measured.read_bytes_per_second);
  EXPECT_EQ(again.int8_operations_per_second, measured.int8_operations_per_second);
  EXPECT_EQ(again.fp32_operations_per_second, measured.fp32_operations_per_second);
  EXPECT_EQ(remembered_read_bandwidth(folder_, 1), measured.read_bytes_per_second);
}

TEST_F(RememberedLimits, HaveAPeakForEveryTierOfThisMachine) {
  const MachineLimits limits = remembered_limits(folder_, 1);
  for (const Isa isa : {Isa::kAvx2, Isa::kAvxVnni, Isa::kAvx512Vnni, Isa::kAmx}) {
    EXPECT_EQ(limits.peak_of(isa) > 0, machine_target().supports(isa)) << isa_name(isa);
    EXPECT_EQ(limits.fp32_peak_of(isa) > 0,
              machine_target().supports(isa) && fp32_unit_name(isa) != "none")
        << isa_name(isa);
  }
  EXPECT_EQ(limits.peak_of(Isa::kScalar), 0);
}

TEST_F(RememberedLimits, SayOnceThatTheyAreMeasured) {
  std::vector<std::string> said;
  const MeasuringNote note = [&](const std::string& text) { said.push_back(text); };
  remembered_limits(folder_, 2, {.note = note});
  ASSERT_EQ(said.size(), 1u);
  EXPECT_NE(said[0].find("measuring what this machine reaches with 2 threads"), std::string::npos);
  remembered_limits(folder_, 2, {.note = note});
  remembered_read_bandwidth(folder_, 2, {.note = note});
  EXPECT_EQ(said.size(), 1u) << "nothing is measured again";
  remembered_read_bandwidth(folder_, 1, {.note = note});
  EXPECT_EQ(said.size(), 2u);
}

TEST_F(RememberedLimits, TheLargestMeasurementIsKept) {
  write(R"({"bytes read per second, 1 thread": 1e15, "bytes read per second, 2 threads": 7})");
  EXPECT_EQ(remembered_read_bandwidth(folder_, 1, {.fresh = true}), 1e15);
  EXPECT_EQ(remembered_read_bandwidth(folder_, 2), 7);
  EXPECT_GT(remembered_read_bandwidth(folder_, 2, {.fresh = true}), 7);
  EXPECT_GT(read()["bytes read per second, 2 threads"].get<double>(), 7);
  EXPECT_EQ(read()["bytes read per second, 1 thread"].get<double>(), 1e15);
}

TEST_F(RememberedLimits, ADamagedFileIsMeasuredAnewAndMended) {
  for (const char* text : {"", "{", "[1]", R"({"bytes read per second, 1 thread": "fast"})",
                           R"({"bytes read per second, 1 thread": -3})",
                           R"({"bytes read per second, 1 thread": 0})"}) {
    write(text);
    const double measured = remembered_read_bandwidth(folder_, 1);
    EXPECT_GT(measured, 0.2e9) << text;
    EXPECT_EQ(read()["bytes read per second, 1 thread"], measured) << text;
  }
}

TEST_F(RememberedLimits, NothingFailsWithoutACacheDirectory) {
  for (const std::string& dir : {std::string(), std::string("/proc/no-such-folder")}) {
    EXPECT_GT(remembered_read_bandwidth(dir, 1), 0.2e9) << dir;
  }
}

TEST(Limits, UnitsHaveNames) {
  EXPECT_EQ(int8_unit_name(Isa::kAvx2), "vpmaddubsw+vpaddw");
  EXPECT_EQ(int8_unit_name(Isa::kAmx), "tdpbsud");
  EXPECT_EQ(fp32_unit_name(Isa::kAvx512Vnni), "vfmadd231ps zmm");
  EXPECT_EQ(fp32_unit_name(Isa::kAmx), "none");
}

}  // namespace
}  // namespace bitnetc
