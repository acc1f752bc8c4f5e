// A row for every operation and every generator that serves it here, from the operation's
// declaration: its last sample, called as in its last case, with the bytes read and the
// multiply-accumulates that the operation says a call costs. Matmuls, tables of sizes of models and
// the whole head have benches of their own.
#include <benchmark/benchmark.h>

#include <cstdio>
#include <string>

#include "codegen/proof/problem.h"
#include "runtime/cpu_features.h"
#include "tests/support/operation_engines.h"

namespace bitnetc {
namespace {

template <typename Spec>
void time_kernel(benchmark::State& state, const Spec& spec, const Kernel& kernel) {
  const proof::CallCase call_case = Operation<Spec>::cases(spec).back();
  const auto memory = proof::heap_memory();
  proof::Problem<Spec> expected(spec, call_case, 1, *memory), got(spec, call_case, 1, *memory);
  Operation<Spec>::kReference(spec, expected.args);
  kernel(got.args);
  if (const auto wrong = got.buffers.first_difference(expected.buffers); !wrong.empty()) {
    state.SkipWithError(wrong.c_str());
    return;
  }
  for (auto _ : state) {
    kernel(got.args);
    benchmark::ClobberMemory();
  }
  const Work cost = Operation<Spec>::work(spec, call_case.rows, call_case.first + 1);
  const auto rate = [&](int64_t each) {
    return benchmark::Counter(static_cast<double>(each),
                              benchmark::Counter::kIsIterationInvariantRate);
  };
  state.counters["bytes/s"] = rate(cost.bytes_read);
  state.counters["macs/s"] = rate(cost.macs);
}

void register_engine(const test::OperationEngine& engine) {
  const KernelSpec& any = engine.specs.back();
  if (!test::runs_here(*engine.generator, any)) {
    std::printf("SKIPPED %s: this CPU lacks its tier\n", engine.name().c_str());
    return;
  }
  const KernelRequest request{.spec = any, .plan = {}, .target = machine_target()};
  const std::string name = kernel_name(request, *engine.generator);
  const Kernel kernel = *engine.generator->build(request, name, {});
  std::visit(
      [&]<typename Spec>(const Spec& spec) {
        if constexpr (!std::is_same_v<Spec, MatmulSpec>) {
          benchmark::RegisterBenchmark(
              name.c_str(), [=](benchmark::State& state) { time_kernel(state, spec, kernel); });
        }
      },
      any);
}

const bool kRegistered = [] {
  for (const test::OperationEngine& engine : test::operation_engines()) register_engine(engine);
  return true;
}();

}  // namespace
}  // namespace bitnetc
