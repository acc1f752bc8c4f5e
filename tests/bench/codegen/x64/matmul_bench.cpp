// Speed of the matmul kernels of every tier this CPU has, i2_s and lookups, on the shapes of
// BitNet-b1.58-2B-4T, and of the programs that build the tables looked up.
//
//   L2/...      tiles that fit in a quarter megabyte, over and over: what the arithmetic allows
//   tables/...  one token's tables
//   memory/...  copies of the matrix far larger than the last-level cache: what a token costs
//
// Counters: GB/s of weights, Gweights/s (times tokens), and for memory the percentage of this
// machine's pure read bandwidth with the same number of threads, measured in this process. Each
// kernel's output is compared with the reference before it is timed. Run on a quiet machine, for
// example
//   bitnetc_bench --benchmark_filter=memory --benchmark_repetitions=5
#include <benchmark/benchmark.h>

#include <algorithm>
#include <map>

#include "autotune/limits.h"
#include "codegen/kernel_builder.h"
#include "codegen/matmul_plans.h"
#include "runtime/buffer.h"
#include "runtime/cpu_features.h"
#include "runtime/thread_pool.h"
#include "tests/bench/codegen/matmul_buffers.h"
#include "tests/support/problem.h"

namespace bitnetc {
namespace {

constexpr int64_t kL2Bytes = 256 << 10;
constexpr int64_t kMemoryBytes = 256 << 20;

struct Case {
  std::string generator;
  MatmulSpec spec;
  KernelPlan plan;
  int threads = 1;
};

// Builds through the door, proof included, and compares a few tiles more.
Result<Kernel> checked_kernel(const Case& c) {
  KernelBuilder builder;
  BITNETC_ASSIGN_OR_RETURN(
      BuiltKernel built,
      builder.build_with(c.generator,
                         {.spec = c.spec, .plan = c.plan, .target = machine_target()}));
  test::MatmulProblem problem(c.spec, {.table_form = built.table_form});
  const int64_t tiles = std::min<int64_t>(problem.tiles(), 6);
  built.kernel(problem.args(0, tiles));
  const std::string difference = problem.check(0, tiles);
  if (!difference.empty()) return Status(StatusCode::kDisqualified, difference);
  return built.kernel;
}

double read_bandwidth(int threads) {
  static std::map<int, double> measured;
  if (!measured.contains(threads)) measured[threads] = measure_read_bandwidth(threads);
  return measured[threads];
}

void report(benchmark::State& state, const Case& c, int64_t tiles) {
  const double passes = static_cast<double>(tiles) * static_cast<double>(state.iterations());
  const double bytes = passes * static_cast<double>(c.spec.weight_layout().tile_bytes());
  const double weights = passes * static_cast<double>(kTileRows * c.spec.k * c.spec.m);
  state.counters["GB/s"] = benchmark::Counter(bytes * 1e-9, benchmark::Counter::kIsRate);
  state.counters["Gweights/s"] = benchmark::Counter(weights * 1e-9, benchmark::Counter::kIsRate);
}

// Each thread has its own tiles in its own second-level cache.
void run_l2(benchmark::State& state, const Case& c) {
  const auto kernel = checked_kernel(c);
  if (!kernel.ok()) return state.SkipWithError(kernel.status().message().c_str());
  const int64_t tile_bytes = c.spec.weight_layout().tile_bytes();
  const int64_t tiles = std::clamp<int64_t>(kL2Bytes / tile_bytes / 4 * 4, 4, c.spec.n / kTileRows);
  test::MatmulBuffers operands(c.spec, c.spec.m, c.spec.weight_layout().total_bytes());
  const MatmulArgs args = operands.args(0, tiles);
  for (auto _ : state) (*kernel)(args);
  report(state, c, tiles);
}

// The threads share each matrix by rows and meet after it, as a token does.
void run_memory(benchmark::State& state, const Case& c) {
  const auto kernel = checked_kernel(c);
  if (!kernel.ok()) return state.SkipWithError(kernel.status().message().c_str());
  const WeightLayout layout = c.spec.weight_layout();
  const int64_t copies = kMemoryBytes / layout.total_bytes() + 1;
  test::MatmulBuffers operands(c.spec, c.spec.m, copies * layout.total_bytes());
  ThreadPool pool(c.threads, true);
  const auto pass = [&](int member) {
    for (int64_t copy = 0; copy < copies; ++copy) {
      const Range tiles = share(layout.tiles(), member, c.threads);
      (*kernel)(operands.args(tiles.begin, tiles.end, copy * layout.total_bytes()));
      pool.barrier();
    }
  };
  for (auto _ : state) pool.run(pass);
  report(state, c, copies * layout.tiles());
  const double read = read_bandwidth(c.threads) * 1e-9;
  state.counters["read_GB/s"] = read;
  const double bytes = static_cast<double>(copies * layout.total_bytes());
  state.counters["%read"] = benchmark::Counter(
      bytes * static_cast<double>(state.iterations()) * 1e-7 / read, benchmark::Counter::kIsRate);
}

const std::vector<KernelPlan>& plans() {
  static const std::vector<KernelPlan> all = {
      DirectPlan{.tiles_per_step = 1, .k_unroll = 8},
      DirectPlan{.tiles_per_step = 1, .k_unroll = 8, .prefetch_bytes = 3072},
      DirectPlan{.tiles_per_step = 2, .k_unroll = 8},
      DirectPlan{.tiles_per_step = 2, .k_unroll = 8, .prefetch_bytes = 16384},
      DirectPlan{.tiles_per_step = 4, .k_unroll = 4},
      DirectPlan{.tiles_per_step = 4, .k_unroll = 4, .prefetch_bytes = 4096},
      DirectPlan{.tiles_per_step = 8, .k_unroll = 4, .prefetch_bytes = 4096},
  };
  return all;
}

void register_case(const Case& c) {
  const std::string name =
      fmt::format("{}_{}/{}", spec_name(c.spec), plan_name(c.plan), c.generator);
  benchmark::RegisterBenchmark(("L2/" + name).c_str(), run_l2, c);
  for (const int threads : {1, 2}) {
    if (threads > usable_cpu_count()) continue;
    Case shared = c;
    shared.threads = threads;
    benchmark::RegisterBenchmark(fmt::format("memory/{}/{}_threads", name, threads).c_str(),
                                 run_memory, shared)
        ->UseRealTime()
        ->MeasureProcessCPUTime();
  }
}

void register_matmuls(const Generator& generator, const Target& target) {
  for (const LayoutId layout : kLayouts) {
    for (const MatmulSpec shape :
         {MatmulSpec{.n = 2560, .k = 2560}, MatmulSpec{.n = 6912, .k = 2560},
          MatmulSpec{.n = 2560, .k = 6912}}) {
      for (const int m : {1, 2, 4, 8}) {
        MatmulSpec spec = shape;
        spec.m = m;
        spec.layout = layout;
        for (const KernelPlan& plan : plans())
          if (generator.accepts({spec, plan, target}).ok())
            register_case({std::string(generator.name()), spec, plan});
      }
    }
  }
}

void run_tables(benchmark::State& state, const std::string& generator, const TablesSpec& spec) {
  KernelBuilder builder;
  const auto built =
      builder.build_with(generator, {.spec = spec, .plan = {}, .target = machine_target()});
  if (!built.ok()) return state.SkipWithError(built.status().message().c_str());
  Buffer<int8_t> x(round_up(static_cast<size_t>(spec.k), kQuantPad));
  std::fill(x.begin(), x.end(), int8_t{3});
  Buffer<uint8_t> tables(static_cast<size_t>(spec.table_bytes()));
  const BuildTablesArgs args{
      .x = x.data(), .tables = tables.data(), .block_begin = 0, .block_end = spec.blocks()};
  for (auto _ : state) built->kernel(args);
}

void register_tables(const Generator& generator, const Target& target) {
  for (const LayoutId layout : kLayouts) {
    for (const TableForm form : {TableForm::kWords, TableForm::kBytes}) {
      for (const int64_t k : {2560, 6912}) {
        const TablesSpec spec{.k = k, .layout = layout, .form = form};
        if (!generator.accepts({spec, {}, target}).ok()) continue;
        const std::string name(generator.name());
        benchmark::RegisterBenchmark(fmt::format("tables/{}/{}", spec_name(spec), name).c_str(),
                                     run_tables, name, spec);
      }
    }
  }
}

bool register_all() {
  const Target target = machine_target();
  for (const auto& generator : KernelBuilder::generators()) {
    if (generator->kind() != GeneratorKind::kGenerated) continue;
    register_matmuls(*generator, target);
    register_tables(*generator, target);
  }
  return true;
}

const bool kRegistered = register_all();

}  // namespace
}  // namespace bitnetc
