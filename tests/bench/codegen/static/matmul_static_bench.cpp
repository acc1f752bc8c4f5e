// Speed of the static matmul kernels of every tier this CPU has, on the down projection of
// BitNet-b1.58-2B-4T: tiles that stay in the second-level cache, over and over, from one token to a
// prompt. Counters: Gweights/s (of one token) and Gop/s (two for every weight and token). Each
// kernel comes through the start-up proof. Run on a quiet machine, for example
//   bitnetc_bench --benchmark_filter=static_matmul.*tl2 --benchmark_repetitions=5
#include <benchmark/benchmark.h>

#include <algorithm>

#include "codegen/kernel_builder.h"
#include "runtime/cpu_features.h"
#include "tests/bench/codegen/matmul_buffers.h"

namespace bitnetc {
namespace {

constexpr int64_t kL2Bytes = 256 << 10;

void run(benchmark::State& state, const std::string& generator, const MatmulSpec& spec,
         int64_t tokens) {
  KernelBuilder builder;
  const auto built =
      builder.build_with(generator, {.spec = spec, .plan = {}, .target = machine_target()});
  if (!built.ok()) return state.SkipWithError(built.status().message().c_str());
  const WeightLayout layout = spec.weight_layout();
  const int64_t tiles = std::min(kL2Bytes / layout.tile_bytes() / 4 * 4, layout.tiles());
  test::MatmulBuffers operands(spec, tokens, tiles * layout.tile_bytes());
  const MatmulArgs args = operands.args(0, tiles);
  for (auto _ : state) built->kernel(args);
  const double weights = static_cast<double>(tiles * kTileRows * spec.k * state.iterations());
  state.counters["Gweights/s"] = benchmark::Counter(weights * 1e-9, benchmark::Counter::kIsRate);
  state.counters["Gop/s"] =
      benchmark::Counter(weights * 2e-9 * static_cast<double>(tokens), benchmark::Counter::kIsRate);
}

bool register_all() {
  const Target target = machine_target();
  for (const auto& generator : KernelBuilder::generators()) {
    const std::string name(generator->name());
    if (!name.starts_with("static_matmul_")) continue;
    for (const LayoutId layout : kLayouts) {
      for (const int64_t tokens : {1, 2, 4, 8, 64, 256}) {
        const MatmulSpec spec{.n = 2560,
                              .k = 6912,
                              .m = tokens <= kMaxSmallM ? static_cast<int>(tokens) : kAnyM,
                              .layout = layout};
        if (!generator->accepts({spec, {}, target}).ok()) continue;
        benchmark::RegisterBenchmark(
            fmt::format("L2/{}/{}_tokens/{}", spec_name(spec), tokens, name).c_str(), run, name,
            spec, tokens);
      }
    }
  }
  return true;
}

const bool kRegistered = register_all();

}  // namespace
}  // namespace bitnetc
