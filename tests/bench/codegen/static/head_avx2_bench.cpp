// The head reads its whole table once a token: what counts is the share of this machine's read
// bandwidth.
#include <benchmark/benchmark.h>

#include <algorithm>
#include <cstring>
#include <vector>

#include "autotune/limits.h"
#include "codegen/reference/reference.h"
#include "codegen/static/static_generators.h"
#include "runtime/buffer.h"
#include "tests/support/random_values.h"

namespace bitnetc {
namespace {

// A quarter of the rows of a 128256 x 2560 bf16 table: 164 MB, past every last-level cache we know.
constexpr HeadSpec kSpec{.n = 32064, .k = 2560, .type = FloatType::kBf16};

double read_bandwidth() {
  static const double bytes_per_second = measure_read_bandwidth(1);
  return bytes_per_second;
}

void head_bf16(benchmark::State& state) {
  Buffer<uint16_t> table(static_cast<size_t>(kSpec.n * kSpec.k));
  Buffer<float> hidden(static_cast<size_t>(kSpec.k)), logits(static_cast<size_t>(kSpec.n));
  test::RandomValues random(1);
  for (float& x : hidden) x = random.value(1.0f);
  for (size_t i = 0; i < table.size(); ++i) table[i] = static_cast<uint16_t>(0x3c00 + i % 511);

  const auto generator = make_static_head_avx2();
  const Kernel kernel = *generator->build(
      {.spec = kSpec, .plan = {}, .target = target_for(Isa::kAvx2)}, "head_bench", {});
  HeadArgs args{.hidden = hidden.data(),
                .table = table.data(),
                .logits = logits.data(),
                .hidden_stride = kSpec.k,
                .logits_stride = kSpec.n,
                .rows = 1,
                .row_begin = 0,
                .row_end = 64};
  std::vector<float> expected(64);
  kernel(args);
  args.logits = expected.data();
  reference::head(kSpec, args);
  if (std::memcmp(expected.data(), logits.data(), expected.size() * sizeof(float)) != 0) {
    state.SkipWithError("the kernel and the reference disagree");
    return;
  }
  args.logits = logits.data();
  args.row_end = kSpec.n;
  for (auto _ : state) {
    kernel(args);
    benchmark::ClobberMemory();
  }
  const double bytes = static_cast<double>(state.iterations()) * static_cast<double>(table.bytes());
  state.counters["bytes/s"] = benchmark::Counter(bytes, benchmark::Counter::kIsRate);
  state.counters["of_read_bandwidth"] =
      benchmark::Counter(bytes / read_bandwidth(), benchmark::Counter::kIsRate);
}
BENCHMARK(head_bf16)->Unit(benchmark::kMillisecond)->UseRealTime();

}  // namespace
}  // namespace bitnetc
