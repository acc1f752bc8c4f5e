// The query heads of one kv head over a growing cache, d = 128, by every kernel of this CPU: one
// row as in decode, and eight as in a prompt, with keys and values of every type. The least a call
// reads are the bytes of its positions; its work is 2 d fma per position, head and row. No
// subnormal numbers: each costs a hundred cycles.
#include <benchmark/benchmark.h>

#include <cstring>
#include <vector>

#include "codegen/kernel_builder.h"
#include "codegen/reference/reference.h"
#include "runtime/attention_scratch.h"
#include "runtime/buffer.h"
#include "runtime/cpu_features.h"
#include "runtime/kv_cache.h"
#include "runtime/random.h"

namespace bitnetc {
namespace {

constexpr int64_t kHeadDim = 128;

// One kv head's keys and values, as they are appended.
struct Cache {
  Cache(int64_t positions, KvType type)
      : layout{.kv_heads = 1, .head_dim = kHeadDim, .type = type},
        memory(static_cast<size_t>(positions / KvLayout::kPagePositions * layout.page_words())) {
    for (int64_t at = 0; at < static_cast<int64_t>(memory.size()); at += layout.page_words())
      pages.push_back(memory.data() + at);
    const RopeAppendSpec append{.q_heads = 1, .kv_heads = 1, .head_dim = kHeadDim, .kv_type = type};
    const std::vector<float> cos(kHeadDim / 2, 1.0f), sin(kHeadDim / 2, 0.0f);
    std::vector<float> qkv(static_cast<size_t>(append.qkv_columns()));
    Random random(1);
    for (int64_t p = 0; p < positions; ++p) {
      for (float& x : qkv) x = random.uniform(-1, 1);
      uint16_t* const page = memory.data() + p / KvLayout::kPagePositions * layout.page_words();
      reference::rope_append(append, {.qkv = qkv.data(),
                                      .cos = cos.data(),
                                      .sin = sin.data(),
                                      .k_cache = page + layout.k_offset(0, 0),
                                      .v_cache = page + layout.v_offset(0, 0),
                                      .position = p % KvLayout::kPagePositions,
                                      .head_stride = layout.head_words(),
                                      .q_end = append.q_heads,
                                      .kv_end = append.kv_heads});
    }
  }

  KvLayout layout;
  Buffer<uint16_t> memory;
  std::vector<const uint16_t*> pages;
};

void attention(benchmark::State& state, const Generator& generator, KvType type) {
  const int64_t positions = state.range(0), heads = state.range(1), rows = state.range(2);
  const AttentionSpec spec{
      .head_dim = kHeadDim, .q_per_kv = heads, .scale = 0.088388346f, .kv_type = type};
  const Cache cache(positions, type);
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
  for (const KvType type : kKvTypes) {
    const AttentionSpec spec{.head_dim = kHeadDim, .scale = 1, .kv_type = type};
    for (const auto& generator : KernelBuilder::generators()) {
      if (generator->kind() == GeneratorKind::kReference ||
          !generator->accepts({.spec = spec, .plan = {}, .target = host_target()}).ok())
        continue;
      const std::string name = fmt::format("{} {}", generator->name(), kv_type_name(type));
      benchmark::RegisterBenchmark(name.c_str(), attention, std::cref(*generator), type)
          ->ArgNames({"positions", "heads", "rows"})
          ->ArgsProduct({{64, 512, 4096}, {1, 4, 5}, {1, 8}})
          ->UseRealTime();
    }
  }
  return true;
}();

}  // namespace
}  // namespace bitnetc
