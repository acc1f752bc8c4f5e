// The LLVM norm kernels beside the reference: time per call (k = 2560 fits L1, 6912 needs L2) and
// time per build. Bytes are those of x, weight and the output, counted once.
#include <benchmark/benchmark.h>

#include "codegen/kernel_builder.h"
#include "runtime/cpu_features.h"
#include "tests/support/norm_problem.h"

namespace bitnetc::test {
namespace {

constexpr float kEps = 1e-5f;

const Generator* find(std::string_view name) {
  for (const auto& generator : KernelBuilder::generators())
    if (generator->name() == name) return generator.get();
  return nullptr;
}

Result<Kernel> build(std::string_view generator_name, const KernelSpec& spec) {
  const Generator* const generator = find(generator_name);
  if (!generator)
    return make_error(StatusCode::kNotFound, "{} is not part of this build", generator_name);
  const KernelRequest request{.spec = spec, .plan = {}, .target = host_target()};
  BITNETC_RETURN_IF_ERROR(generator->accepts(request));
  return generator->build(request, kernel_name(request, *generator), {});
}

void norm_quantize(benchmark::State& state, const char* generator) {
  const NormQuantizeSpec spec{.k = state.range(0), .eps = kEps};
  const auto kernel = build(generator, spec);
  if (!kernel.ok()) return state.SkipWithError(kernel.status().message().c_str());
  const NormRow row = norm_rows(spec.k).front();
  const std::string difference = compare_norm_quantize(spec, *kernel, row, Edge::kEnd);
  if (!difference.empty()) return state.SkipWithError(difference.c_str());

  std::vector<int8_t> q(static_cast<size_t>(spec.padded_k()));
  float scale = 0;
  int32_t sum = 0;
  const NormQuantizeArgs args{.x = row.x.data(),
                              .weight = row.weight.data(),
                              .q = q.data(),
                              .scale = &scale,
                              .sum = &sum,
                              .normed = nullptr};
  for (auto _ : state) {
    (*kernel)(args);
    benchmark::ClobberMemory();
  }
  state.SetBytesProcessed(state.iterations() * spec.k * int64_t{2 * sizeof(float) + 1});
}
BENCHMARK_CAPTURE(norm_quantize, llvm, "llvm_norm_quantize")->Arg(2560)->Arg(6912);
BENCHMARK_CAPTURE(norm_quantize, reference, "reference")->Arg(2560)->Arg(6912);

void rms_norm(benchmark::State& state, const char* generator) {
  const RmsNormSpec spec{.k = state.range(0), .eps = kEps};
  const auto kernel = build(generator, spec);
  if (!kernel.ok()) return state.SkipWithError(kernel.status().message().c_str());
  const NormRow row = norm_rows(spec.k).front();
  const std::string difference = compare_rms_norm(spec, *kernel, row, Edge::kEnd);
  if (!difference.empty()) return state.SkipWithError(difference.c_str());

  std::vector<float> y(row.x.size());
  const RmsNormArgs args{.x = row.x.data(), .weight = row.weight.data(), .y = y.data()};
  for (auto _ : state) {
    (*kernel)(args);
    benchmark::ClobberMemory();
  }
  state.SetBytesProcessed(state.iterations() * spec.k * int64_t{3 * sizeof(float)});
}
BENCHMARK_CAPTURE(rms_norm, llvm, "llvm_rms_norm")->Arg(2560)->Arg(6912);
BENCHMARK_CAPTURE(rms_norm, static_avx2, "static_rms_norm_avx2")->Arg(2560)->Arg(6912);
BENCHMARK_CAPTURE(rms_norm, reference, "reference")->Arg(2560)->Arg(6912);

// The first build of the process, which also starts LLVM, is made before the clock runs.
void build_time(benchmark::State& state, const char* generator, const KernelSpec& spec) {
  if (const auto first = build(generator, spec); !first.ok())
    return state.SkipWithError(first.status().message().c_str());
  for (auto _ : state) benchmark::DoNotOptimize(build(generator, spec));
}
constexpr NormQuantizeSpec kQuantize2560{.k = 2560, .eps = kEps},
    kQuantize5460{.k = 5460, .eps = kEps};
constexpr RmsNormSpec kRms2560{.k = 2560, .eps = kEps};
BENCHMARK_CAPTURE(build_time, norm_quantize_2560, "llvm_norm_quantize", kQuantize2560)
    ->Unit(benchmark::kMillisecond);
BENCHMARK_CAPTURE(build_time, norm_quantize_5460, "llvm_norm_quantize", kQuantize5460)
    ->Unit(benchmark::kMillisecond);
BENCHMARK_CAPTURE(build_time, rms_norm_2560, "llvm_rms_norm", kRms2560)
    ->Unit(benchmark::kMillisecond);

}  // namespace
}  // namespace bitnetc::test
