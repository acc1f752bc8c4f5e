// One query head over a growing cache. The work is 2 d fma per position and as many fp16
// conversions.
#include <benchmark/benchmark.h>

#include <cstring>
#include <vector>

#include "codegen/reference/reference.h"
#include "codegen/static/static_generators.h"
#include "runtime/buffer.h"
#include "runtime/kv_cache.h"
#include "tests/support/random_values.h"

namespace bitnetc {
namespace {

void attention_d128(benchmark::State& state) {
  const int64_t positions = state.range(0);
  const AttentionSpec spec{.head_dim = 128, .scale = 0.088388346f};
  const KvLayout layout{.kv_heads = 1, .head_dim = spec.head_dim};
  const int64_t page_count = positions / KvLayout::kPagePositions;
  Buffer<uint16_t> cache(static_cast<size_t>(page_count * layout.page_elements()));
  std::vector<const uint16_t*> pages;
  for (int64_t i = 0; i < page_count; ++i)
    pages.push_back(cache.data() + i * layout.page_elements());
  Buffer<float> q(static_cast<size_t>(spec.head_dim)), out(q.size());
  Buffer<float> scratch(round_up(static_cast<size_t>(positions), 256));
  test::RandomValues random(1);
  for (float& x : q) x = random.value(1.0f);
  for (uint16_t& x : cache) x = math::round_to_f16(random.value(1.0f));

  const auto generator = make_static_attention_avx2();
  const Kernel kernel = *generator->build(
      {.spec = spec, .plan = {}, .target = target_for(Isa::kAvx2)}, "attention_bench", {});
  AttentionArgs args{.q = q.data(),
                     .out = out.data(),
                     .pages = pages.data(),
                     .k_offset = layout.k_offset(0, 0),
                     .v_offset = layout.v_offset(0, 0),
                     .scores = scratch.data(),
                     .position = positions - 1,
                     .rows = 1,
                     .heads = 1,
                     .q_stride = spec.head_dim,
                     .out_stride = spec.head_dim};
  kernel(args);
  std::vector<float> expected(out.size());
  args.out = expected.data();
  reference::attention(spec, args);
  if (std::memcmp(expected.data(), out.data(), out.bytes()) != 0) {
    state.SkipWithError("the kernel and the reference disagree");
    return;
  }
  args.out = out.data();
  for (auto _ : state) {
    kernel(args);
    benchmark::ClobberMemory();
  }
  state.counters["ns/position"] =
      benchmark::Counter(static_cast<double>(state.iterations()) * static_cast<double>(positions),
                         benchmark::Counter::kIsRate | benchmark::Counter::kInvert);
  state.counters["cache_bytes/s"] = benchmark::Counter(
      static_cast<double>(state.iterations()) * static_cast<double>(cache.bytes()),
      benchmark::Counter::kIsRate);
}
BENCHMARK(attention_d128)->Arg(64)->Arg(512)->Arg(4096)->UseRealTime();

}  // namespace
}  // namespace bitnetc
