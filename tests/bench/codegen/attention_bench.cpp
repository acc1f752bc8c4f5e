// The query heads of one kv head over a growing cache, d = 128, by every kernel of this CPU: one
// row as in decode, and eight as in a prompt. The least a call reads is 4 d bytes per position; its
// work is 2 d fma per position, head and row. No subnormal numbers: each costs a hundred cycles.
#include <benchmark/benchmark.h>

#include <cstring>
#include <vector>

#include "codegen/kernel_builder.h"
#include "codegen/reference/reference.h"
#include "runtime/attention_scratch.h"
#include "runtime/buffer.h"
#include "runtime/cpu_features.h"
#include "runtime/kv_cache.h"
#include "runtime/math.h"
#include "runtime/random.h"

namespace bitnetc {
namespace {

constexpr int64_t kHeadDim = 128;

// One kv head's keys and values.
struct Cache {
  explicit Cache(int64_t positions)
      : memory(static_cast<size_t>(positions / KvLayout::kPagePositions * layout.page_words())) {
    for (int64_t at = 0; at < static_cast<int64_t>(memory.size()); at += layout.page_words())
      pages.push_back(memory.data() + at);
    Random random(1);
    for (uint16_t& x : memory) x = math::round_to_f16(random.uniform(-1, 1));
  }

  KvLayout layout{.kv_heads = 1, .head_dim = kHeadDim};
  Buffer<uint16_t> memory;
  std::vector<const uint16_t*> pages;
};

void attention(benchmark::State& state, const Generator& generator) {
  const int64_t positions = state.range(0), heads = state.range(1), rows = state.range(2);
  const AttentionSpec spec{.head_dim = kHeadDim, .q_per_kv = heads, .scale = 0.088388346f};
  const Cache cache(positions);
  Buffer<float> q(static_cast<size_t>(rows * heads * kHeadDim)), out(q.size());
  const AttentionScratch scratch{.head_dim = kHeadDim, .heads = heads};
  Buffer<float> scores(
      static_cast<size_t>(scratch.elements_per_position() * round_up(positions, kAttentionChunk)));
  Random random(2);
  for (float& x : q) x = random.uniform(-1, 1);

  const Kernel kernel =
      *generator.build({.spec = spec, .plan = {}, .target = host_target()}, "attention_bench", {});
  AttentionArgs args{.q = q.data(),
                     .out = out.data(),
                     .pages = cache.pages.data(),
                     .k_offset = cache.layout.k_offset(0, 0),
                     .v_offset = cache.layout.v_offset(0, 0),
                     .scores = scores.data(),
                     .position = positions - rows,
                     .rows = rows,
                     .q_stride = heads * kHeadDim,
                     .out_stride = heads * kHeadDim};
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
  const auto calls = static_cast<double>(state.iterations());
  state.counters["ns/position/head"] =
      benchmark::Counter(calls * static_cast<double>(positions * heads * rows) / 1e9,
                         benchmark::Counter::kIsRate | benchmark::Counter::kInvert);
  state.counters["cache_bytes/s"] = benchmark::Counter(
      calls * static_cast<double>(cache.memory.bytes()), benchmark::Counter::kIsRate);
}

const bool kRegistered = [] {
  for (const auto& generator : KernelBuilder::generators()) {
    const AttentionSpec spec{.head_dim = kHeadDim, .scale = 1};
    if (generator->kind() == GeneratorKind::kReference ||
        !generator->accepts({.spec = spec, .plan = {}, .target = host_target()}).ok())
      continue;
    benchmark::RegisterBenchmark(std::string(generator->name()).c_str(), attention,
                                 std::cref(*generator))
        ->ArgNames({"positions", "heads", "rows"})
        ->ArgsProduct({{64, 512, 4096}, {1, 4, 5}, {1, 8}})
        ->UseRealTime();
  }
  return true;
}();

}  // namespace
}  // namespace bitnetc
