// The peaks of autotune/limits.h: loops of nothing but the instructions in question, in assembly,
// so that no compiler moves, merges or spills what is to be measured. They are entered only on CPUs
// that have the tier. Integer arithmetic takes the same time for every value; floating point does
// for zeros.
#include <algorithm>
#include <chrono>
#include <vector>

#include "autotune/limits.h"
#include "runtime/cpu_features.h"
#include "runtime/thread_pool.h"

namespace bitnetc {
namespace {

using Clock = std::chrono::steady_clock;
using Loop = void (*)(int64_t iterations);

// A loop over independent sums. vpdpbusd and fused multiply-adds take up to five cycles and at most
// two start in one: ten sums hide the latency. tdpbsud takes 52 and one starts every 16: four do.
struct Unit {
  Loop loop = nullptr;
  int64_t sums = 0;
  int64_t macs = 0;  // of one instruction

  int64_t operations(int64_t iterations) const { return 2 * macs * sums * iterations; }
};

#if defined(__x86_64__)
constexpr int64_t kVectorSums = 12, kTileSums = 6;
#define BITNETC_VECTOR_CLOBBERS                                                                  \
  "cc", "xmm0", "xmm1", "xmm2", "xmm3", "xmm4", "xmm5", "xmm6", "xmm7", "xmm8", "xmm9", "xmm10", \
      "xmm11", "xmm12", "xmm13", "xmm14", "xmm15"

// On Zen 5 the additions take 10 % of the cycles in which a product could start, whatever their
// order.
void multiply_add_avx2(int64_t iterations) {
  __asm__ volatile(
      "1:\n"
      ".irp sum, 0, 1, 2, 3, 4, 5, 6, 7, 8, 9, 10, 11\n"
      "vpmaddubsw %%ymm12, %%ymm12, %%ymm13\n"
      "vpaddw %%ymm13, %%ymm\\sum, %%ymm\\sum\n"
      ".endr\n"
      "dec %0\n"
      "jnz 1b\n"
      "vzeroupper"
      : "+r"(iterations)
      :
      : BITNETC_VECTOR_CLOBBERS);
}

void dot_avxvnni(int64_t iterations) {
  __asm__ volatile(
      "1:\n"
      ".irp sum, 0, 1, 2, 3, 4, 5, 6, 7, 8, 9, 10, 11\n"
      "%{vex%} vpdpbusd %%ymm12, %%ymm13, %%ymm\\sum\n"
      ".endr\n"
      "dec %0\n"
      "jnz 1b\n"
      "vzeroupper"
      : "+r"(iterations)
      :
      : BITNETC_VECTOR_CLOBBERS);
}

void dot_avx512vnni(int64_t iterations) {
  __asm__ volatile(
      "1:\n"
      ".irp sum, 0, 1, 2, 3, 4, 5, 6, 7, 8, 9, 10, 11\n"
      "vpdpbusd %%zmm12, %%zmm13, %%zmm\\sum\n"
      ".endr\n"
      "dec %0\n"
      "jnz 1b\n"
      "vzeroupper"
      : "+r"(iterations)
      :
      : BITNETC_VECTOR_CLOBBERS);
}

void multiply_add_fp32_ymm(int64_t iterations) {
  __asm__ volatile(
      ".irp each, 0, 1, 2, 3, 4, 5, 6, 7, 8, 9, 10, 11, 12, 13\n"
      "vpxor %%xmm\\each, %%xmm\\each, %%xmm\\each\n"
      ".endr\n"
      "1:\n"
      ".irp sum, 0, 1, 2, 3, 4, 5, 6, 7, 8, 9, 10, 11\n"
      "vfmadd231ps %%ymm12, %%ymm13, %%ymm\\sum\n"
      ".endr\n"
      "dec %0\n"
      "jnz 1b\n"
      "vzeroupper"
      : "+r"(iterations)
      :
      : BITNETC_VECTOR_CLOBBERS);
}

void multiply_add_fp32_zmm(int64_t iterations) {
  __asm__ volatile(
      ".irp each, 0, 1, 2, 3, 4, 5, 6, 7, 8, 9, 10, 11, 12, 13\n"
      "vpxor %%xmm\\each, %%xmm\\each, %%xmm\\each\n"
      ".endr\n"
      "1:\n"
      ".irp sum, 0, 1, 2, 3, 4, 5, 6, 7, 8, 9, 10, 11\n"
      "vfmadd231ps %%zmm12, %%zmm13, %%zmm\\sum\n"
      ".endr\n"
      "dec %0\n"
      "jnz 1b\n"
      "vzeroupper"
      : "+r"(iterations)
      :
      : BITNETC_VECTOR_CLOBBERS);
}

// The operand of ldtilecfg: eight tiles of 16 rows of 64 bytes.
struct alignas(64) TileConfig {
  uint8_t palette = 1;
  uint8_t start_row = 0;
  uint8_t reserved[14] = {};
  uint16_t row_bytes[16] = {64, 64, 64, 64, 64, 64, 64, 64};
  uint8_t rows[16] = {16, 16, 16, 16, 16, 16, 16, 16};
};
static_assert(sizeof(TileConfig) == 64);

void tile_dot_amx(int64_t iterations) {
  const TileConfig config;
  __asm__ volatile(
      "ldtilecfg %1\n"
      "1:\n"
      ".irp sum, 0, 1, 2, 3, 4, 5\n"
      "tdpbsud %%tmm6, %%tmm7, %%tmm\\sum\n"
      ".endr\n"
      "dec %0\n"
      "jnz 1b\n"
      "tilerelease"
      : "+r"(iterations)
      : "m"(config)
      : "cc");
}

Unit fp32_unit_of(Isa isa) {
  if (isa == Isa::kAvx2) return {multiply_add_fp32_ymm, kVectorSums, 8};
  if (isa == Isa::kAvx512Vnni) return {multiply_add_fp32_zmm, kVectorSums, 16};
  return {};
}

Unit int8_unit_of(Isa isa) {
  switch (isa) {
    case Isa::kScalar: return {};
    case Isa::kAvx2: return {multiply_add_avx2, kVectorSums, 32};
    case Isa::kAvxVnni: return {dot_avxvnni, kVectorSums, 32};
    case Isa::kAvx512Vnni: return {dot_avx512vnni, kVectorSums, 64};
    case Isa::kAmx: return {tile_dot_amx, kTileSums, 16 * 16 * 64};
  }
  return {};
}
#else
Unit fp32_unit_of(Isa) {
  return {};
}
Unit int8_unit_of(Isa) {
  return {};
}
#endif

double seconds_of(Loop loop, int64_t iterations) {
  const Clock::time_point start = Clock::now();
  loop(iterations);
  return std::chrono::duration<double>(Clock::now() - start).count();
}

// Iterations that take about `seconds`: a pass is long beside the clock's resolution and short
// beside a time slice.
int64_t iterations_of(Loop loop, double seconds) {
  int64_t iterations = 1;
  while (seconds_of(loop, iterations) < seconds) iterations *= 2;
  return iterations;
}

// Operations per second of this thread: an interruption only ever makes a pass slower, so the
// middle of the better half, as for bandwidth.
double rate_of(const Unit& unit, Clock::time_point deadline) {
  constexpr double kPassSeconds = 50e-6;
  constexpr size_t kMinPasses = 8;
  const int64_t iterations = iterations_of(unit.loop, kPassSeconds);
  std::vector<double> seconds;
  do {
    seconds.push_back(seconds_of(unit.loop, iterations));
  } while (seconds.size() < kMinPasses || Clock::now() < deadline);
  std::sort(seconds.begin(), seconds.end());
  return static_cast<double>(unit.operations(iterations)) / seconds[seconds.size() / 4];
}

double peak_of(const Unit& unit, int threads, int budget_ms) {
  if (unit.loop == nullptr) return 0;
  // More threads than CPUs take turns and do no more.
  const auto pool = ThreadPool::at_most(std::min(threads, usable_cpu_count()), true);
  std::vector<double> rates(static_cast<size_t>(pool->size()));
  const Clock::time_point deadline = Clock::now() + std::chrono::milliseconds(budget_ms);
  pool->run([&](int member) { rates[static_cast<size_t>(member)] = rate_of(unit, deadline); });
  double total = 0;
  for (const double rate : rates) total += rate;
  return total;
}

}  // namespace

std::string_view int8_unit_name(Isa isa) {
  switch (isa) {
    case Isa::kScalar: return "none";
    case Isa::kAvx2: return "vpmaddubsw+vpaddw";
    case Isa::kAvxVnni: return "vpdpbusd ymm";
    case Isa::kAvx512Vnni: return "vpdpbusd zmm";
    case Isa::kAmx: return "tdpbsud";
  }
  return "?";
}

std::string_view fp32_unit_name(Isa isa) {
  if (isa == Isa::kAvx2) return "vfmadd231ps ymm";
  return isa == Isa::kAvx512Vnni ? "vfmadd231ps zmm" : "none";
}

double measure_int8_peak(Isa isa, int threads, int budget_ms) {
  return machine_target().supports(isa) ? peak_of(int8_unit_of(isa), threads, budget_ms) : 0;
}

double measure_fp32_peak(Isa isa, int threads, int budget_ms) {
  return machine_target().supports(isa) ? peak_of(fp32_unit_of(isa), threads, budget_ms) : 0;
}

}  // namespace bitnetc
