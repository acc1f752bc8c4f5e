// Speed of the panel kernels, which take any number of tokens, on the shapes of BitNet-b1.58-2B-4T.
//
// Counters: Gop/s (two operations a weight and token) and the percentage of what the tier's dot
// product reaches on registers alone, measured between the runs of the kernel: vpdpbusd, or
// vpmaddubsw with vpaddw. Times are CPU times of this thread and both figures take the lower
// quartile, so a busy machine disturbs them little. Building a kernel proves it. For example
//   bitnetc_bench --benchmark_filter='panel_avx512vnni/.*tl2.*/tokens:64/'
#include <benchmark/benchmark.h>

#include <algorithm>
#include <ctime>
#include <vector>

#include "codegen/kernel_builder.h"
#include "compiler/plan_source.h"
#include "runtime/cpu_features.h"
#include "tests/bench/codegen/matmul_buffers.h"

namespace bitnetc {
namespace {

double cpu_seconds() {
  timespec time;
  clock_gettime(CLOCK_THREAD_CPUTIME_ID, &time);
  return static_cast<double>(time.tv_sec) + 1e-9 * static_cast<double>(time.tv_nsec);
}

template <typename Body>
double seconds_of(Body body) {
  const double start = cpu_seconds();
  body();
  return cpu_seconds() - start;
}

double lower_quartile(std::vector<double> seconds) {
  const auto at = seconds.begin() + static_cast<std::ptrdiff_t>(seconds.size() / 4);
  std::nth_element(seconds.begin(), at, seconds.end());
  return *at;
}

// ---- the peak: twelve independent sums, operands in registers

constexpr int kPeakSums = 12;
constexpr int64_t kPeakIterations = 100'000;

// clang-format off
#define BITNETC_TWELVE(one) \
  one(0) one(1) one(2) one(3) one(4) one(5) one(6) one(7) one(8) one(9) one(10) one(11)
#define BITNETC_REPEAT(text)                                                                       \
  int64_t left = kPeakIterations;                                                                  \
  asm volatile("1:\n" text "dec %0\n jnz 1b\n vzeroupper\n" : "+r"(left) : :                       \
               "xmm0", "xmm1", "xmm2", "xmm3", "xmm4", "xmm5", "xmm6", "xmm7", "xmm8", "xmm9",     \
               "xmm10", "xmm11", "xmm12", "xmm13", "xmm14", "xmm15", "cc")
#define BITNETC_ZMM_DOT(i) "vpdpbusd %%zmm15, %%zmm14, %%zmm" #i "\n"
#define BITNETC_YMM_DOT(i) "%{vex%} vpdpbusd %%ymm15, %%ymm14, %%ymm" #i "\n"
#define BITNETC_YMM_PAIRS(i) \
  "vpmaddubsw %%ymm15, %%ymm14, %%ymm13\n vpaddw %%ymm13, %%ymm" #i ", %%ymm" #i "\n"
// clang-format on

void run_zmm_dots() {
  BITNETC_REPEAT(BITNETC_TWELVE(BITNETC_ZMM_DOT));
}
void run_ymm_dots() {
  BITNETC_REPEAT(BITNETC_TWELVE(BITNETC_YMM_DOT));
}
void run_ymm_pairs() {
  BITNETC_REPEAT(BITNETC_TWELVE(BITNETC_YMM_PAIRS));
}

struct Tier {
  const char* generator;
  Isa isa;
  void (*run_peak)();
  int products;  // of a dot product instruction
};
constexpr Tier kTiers[] = {{"x64_panel_avx512vnni", Isa::kAvx512Vnni, run_zmm_dots, 64},
                           {"x64_panel_avxvnni", Isa::kAvxVnni, run_ymm_dots, 32},
                           {"x64_panel_avx2", Isa::kAvx2, run_ymm_pairs, 32}};

// ---- kernels

void run(benchmark::State& state, const Tier& tier, const MatmulSpec& spec, int64_t tokens) {
  const Target target = machine_target();
  const KernelPlan plan = HeuristicPlanSource().choose(spec, cap_target(target, tier.isa)).plan;
  KernelBuilder builder;
  const auto built = builder.build_with(tier.generator, {spec, plan, target});
  if (!built.ok()) return state.SkipWithError(built.status().message().c_str());
  const WeightLayout layout = spec.weight_layout();
  test::MatmulBuffers operands(spec, tokens, layout.total_bytes());
  const MatmulArgs args = operands.args(0, layout.tiles());
  std::vector<double> kernel_seconds, peak_seconds;
  for (auto _ : state) {
    peak_seconds.push_back(seconds_of(tier.run_peak));
    kernel_seconds.push_back(seconds_of([&] { built->kernel(args); }));
    state.SetIterationTime(kernel_seconds.back());
  }
  const double products = static_cast<double>(spec.n * spec.k * tokens);
  const double per_second = products / lower_quartile(kernel_seconds);
  const double peak_products = static_cast<double>(kPeakIterations * kPeakSums * tier.products);
  state.counters["Gop/s"] = 2e-9 * per_second;
  state.counters["%peak"] = 100 * per_second / (peak_products / lower_quartile(peak_seconds));
}

bool register_all() {
  const Target target = machine_target();
  const MatmulSpec shapes[] = {{.n = 3840, .k = 2560},
                               {.n = 2560, .k = 2560, .epilogue = Epilogue::kResidual},
                               {.n = 13824, .k = 2560, .epilogue = Epilogue::kRelu2Mul},
                               {.n = 2560, .k = 6912, .epilogue = Epilogue::kResidual}};
  for (const Tier& tier : kTiers) {
    if (!target.supports(tier.isa)) continue;
    for (const LayoutId layout : kLayouts) {
      for (MatmulSpec spec : shapes) {
        spec.m = kAnyM;
        spec.layout = layout;
        for (const int64_t tokens : {2, 8, 16, 64, 256}) {
          const std::string name =
              fmt::format("{}/{}/tokens:{}", tier.generator, spec_name(spec), tokens);
          benchmark::RegisterBenchmark(name.c_str(), [&tier, spec,
                                                      tokens](benchmark::State& state) {
            run(state, tier, spec, tokens);
          })->UseManualTime();
        }
      }
    }
  }
  return true;
}

const bool kRegistered = register_all();

}  // namespace
}  // namespace bitnetc
