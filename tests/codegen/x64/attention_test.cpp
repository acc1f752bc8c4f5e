// Attention in parts: whatever chunks its calls take, in whatever order, and whichever kernel makes
// which call, the bits are those of one call of the reference. What one call does is
// tests/conformance/operation_conformance_test.cpp.
#include <gtest/gtest.h>

#include <algorithm>
#include <cmath>
#include <numeric>
#include <random>

#include "codegen/kernel_builder.h"
#include "codegen/proof/problem.h"
#include "codegen/x64/x64_generators.h"
#include "runtime/attention_scratch.h"
#include "runtime/cpu_features.h"
#include "runtime/kv_cache.h"
#include "tests/support/generators.h"

namespace bitnetc {
namespace {

constexpr const char* kGenerators[] = {"x64_attention_avx512", "x64_attention_avx2",
                                       "static_attention_avx2", "reference"};

// Those that run here.
std::vector<Kernel> kernels(const AttentionSpec& spec) {
  std::vector<Kernel> all;
  for (const char* name : kGenerators) {
    const Generator* generator = find_generator(name);
    const KernelRequest request{.spec = spec, .plan = {}, .target = host_target()};
    if (!generator->accepts(request).ok()) {
      std::printf("SKIPPED: %s of %s does not run here\n", name, spec_name(spec).c_str());
      continue;
    }
    all.push_back(*generator->build(request, kernel_name(request, *generator), {}));
  }
  return all;
}

using Problem = proof::Problem<AttentionSpec>;

// A call for every few chunks in random order, each made by any of the kernels.
void run_part(const std::vector<Kernel>& kernels, Problem& problem, AttentionArgs::Part part,
              int64_t chunks, std::mt19937& random) {
  std::vector<std::pair<int64_t, int64_t>> ranges;
  for (int64_t begin = 0; begin < chunks;) {
    const int64_t end = std::min<int64_t>(chunks, begin + 1 + random() % 3);
    ranges.emplace_back(begin, end);
    begin = end;
  }
  std::shuffle(ranges.begin(), ranges.end(), random);
  for (const auto& [begin, end] : ranges) {
    AttentionArgs args = problem.args;
    args.chunk_begin = begin;
    args.chunk_end = end;
    args.parts = part;
    kernels[random() % kernels.size()](args);
  }
}

void expect_same_bits(const AttentionSpec& spec, const std::vector<Kernel>& kernels, int64_t rows,
                      int64_t position, uint32_t seed) {
  SCOPED_TRACE(fmt::format("{}, {} rows from {}, seed {}", spec_name(spec), rows, position, seed));
  const int64_t chunks = (position + rows - 1) / kAttentionChunk + 1;
  const proof::CallCase call_case{.name = "parts",
                                  .rows = rows,
                                  .first = position,
                                  .positions = chunks * kAttentionChunk,
                                  .magnitude = 4};
  const auto memory = proof::heap_memory();
  Problem expected(spec, call_case, seed, *memory), got(spec, call_case, seed, *memory);
  Operation<AttentionSpec>::kReference(spec, expected.args);
  std::mt19937 random(seed);
  run_part(kernels, got, AttentionArgs::kScores, chunks, random);
  run_part(kernels, got, AttentionArgs::kValues, chunks, random);
  got.args.parts = AttentionArgs::kOutput;
  kernels[random() % kernels.size()](got.args);
  ASSERT_EQ(got.buffers.first_difference(expected.buffers), "");
}

TEST(AttentionParts, AnyChunksInAnyOrderByAnyKernelGiveTheSameBits) {
  for (const KvType type : kKvTypes) {
    for (const int64_t window : {0, 40, 300, 700}) {
      const AttentionSpec spec{
          .head_dim = 48, .q_per_kv = 3, .window = window, .scale = 0.1f, .kv_type = type};
      const std::vector<Kernel> all = kernels(spec);
      uint32_t seed = 0;
      for (const int64_t position : {0, 250, 256, 600, 1020, 1500})
        for (const int64_t rows : {1, 2, 5, 8})
          ASSERT_NO_FATAL_FAILURE(expect_same_bits(spec, all, rows, position, ++seed));
    }
  }
}

// Each kernel on its own, for ratios of query heads that fill the registers differently.
TEST(AttentionParts, EveryRatioOfHeads) {
  for (const KvType type : kKvTypes) {
    for (const int64_t q_per_kv : {1, 2, 4, 5, 8, 17, 32}) {
      const AttentionSpec spec{
          .head_dim = 16, .q_per_kv = q_per_kv, .scale = 0.2f, .kv_type = type};
      for (const Kernel& kernel : kernels(spec))
        for (const int64_t rows : {1, 8})
          ASSERT_NO_FATAL_FAILURE(expect_same_bits(spec, {kernel}, rows, 510, 3));
    }
  }
}

// Scores over the whole range of exp, and scores that are equal.
TEST(AttentionParts, ExtremeScores) {
  const AttentionSpec spec{.head_dim = 32, .q_per_kv = 4, .scale = 1};
  for (const Kernel& kernel : kernels(spec)) {
    for (const float magnitude : {0.0f, 1e-30f, 1.0f, 30.0f, 1e4f}) {
      SCOPED_TRACE(fmt::format("{}, magnitude {}", kernel.name(), magnitude));
      const proof::CallCase call_case{
          .name = "extreme", .rows = 3, .first = 700, .positions = 768, .magnitude = magnitude};
      const auto memory = proof::heap_memory();
      Problem expected(spec, call_case, 1, *memory), got(spec, call_case, 1, *memory);
      Operation<AttentionSpec>::kReference(spec, expected.args);
      kernel(got.args);
      ASSERT_EQ(got.buffers.first_difference(expected.buffers), "");
    }
  }
}

// Keys and values at the ends of what each type holds: zeros of both signs, subnormal numbers, the
// largest; of i8 every code, with scales down to subnormal ones.
void fill_extremes(const KvLayout& layout, std::span<uint16_t> words, std::mt19937& random) {
  constexpr float kF32[] = {0.0f,     -0.0f, 0x1p-149f, -0x1.8p-127f, 65504.0f,
                            -65520.f, 1e18f, -1e18f,    1.0f,         -0x1p-24f};
  constexpr uint16_t kF16[] = {0, 0x8000, 0x0001, 0x83ff, 0x7bff, 0xfbff, 0x3c00, 0x0400};
  constexpr float kScales[] = {0x1p-149f, 0x1p-126f, 1e-5f / 127, 1.0f, 65504.0f, 1e15f};
  const int64_t offsets[] = {layout.k_offset(0, 0), layout.v_offset(0, 0)};
  for (int64_t page = 0; page < std::ssize(words); page += layout.page_words()) {
    for (const int64_t offset : offsets) {
      uint16_t* const head = &words[static_cast<size_t>(page + offset)];
      for (int64_t i = 0; i < KvLayout::kPagePositions * layout.head_dim; ++i) {
        switch (layout.type) {
          case KvType::kF16: head[i] = kF16[random() % std::size(kF16)]; break;
          case KvType::kF32:
            reinterpret_cast<float*>(head)[i] = kF32[random() % std::size(kF32)];
            break;
          case KvType::kI8:
            reinterpret_cast<int8_t*>(head)[i] = static_cast<int8_t>(random() % 256);
            break;
        }
      }
      if (layout.type != KvType::kI8) continue;
      auto* const scales = reinterpret_cast<float*>(head + layout.scales_offset());
      for (int64_t p = 0; p < KvLayout::kPagePositions; ++p)
        scales[p] = kScales[random() % std::size(kScales)];
    }
  }
}

TEST(AttentionParts, ExtremeKeysAndValues) {
  for (const KvType type : kKvTypes) {
    const AttentionSpec spec{.head_dim = 32, .q_per_kv = 5, .scale = 0.5f, .kv_type = type};
    for (const Kernel& kernel : kernels(spec)) {
      for (const float magnitude : {1e-30f, 1e-3f, 1.0f}) {
        SCOPED_TRACE(fmt::format("{}, magnitude {}", kernel.name(), magnitude));
        const proof::CallCase call_case{
            .name = "extreme", .rows = 8, .first = 300, .positions = 512, .magnitude = magnitude};
        const auto memory = proof::heap_memory();
        Problem expected(spec, call_case, 1, *memory), got(spec, call_case, 1, *memory);
        for (Problem* problem : {&expected, &got}) {
          std::mt19937 random(7);
          fill_extremes(spec.layout(), problem->buffers.get<uint16_t>("pages"), random);
        }
        Operation<AttentionSpec>::kReference(spec, expected.args);
        for (const float value : expected.buffers.get<float>("out"))
          ASSERT_TRUE(std::isfinite(value)) << "the example is outside of what is specified";
        kernel(got.args);
        ASSERT_EQ(got.buffers.first_difference(expected.buffers), "");
      }
    }
  }
}

// Pages behind the last position hold anything; what a row does not see must not reach it, not even
// as a product with zero.
TEST(AttentionParts, NothingUnseenIsTouched) {
  constexpr uint16_t kNan = 0x7fff;  // of f16; two of them are one of f32, of a scale also
  for (const auto& [type, window] : {std::pair<KvType, int64_t>{KvType::kF16, 0},
                                     {KvType::kF16, 20},
                                     {KvType::kF32, 0},
                                     {KvType::kF32, 20},
                                     {KvType::kI8, 0},
                                     {KvType::kI8, 20}}) {
    const AttentionSpec spec{
        .head_dim = 16, .q_per_kv = 1, .window = window, .scale = 1, .kv_type = type};
    const KvLayout layout = spec.layout();
    for (const Kernel& kernel : kernels(spec)) {
      const proof::CallCase call_case{
          .name = "unseen", .rows = 8, .first = 60, .positions = 256, .magnitude = 1};
      const auto memory = proof::heap_memory();
      Problem expected(spec, call_case, 1, *memory), got(spec, call_case, 1, *memory);
      Operation<AttentionSpec>::kReference(spec, expected.args);
      // The last row alone sees its own value.
      const auto words = got.buffers.get<uint16_t>("pages");
      const int64_t row_words = spec.head_dim * layout.cell_bytes() / 2;
      for (int64_t p = 67; p < 256; ++p) {
        const int64_t values = p / 64 * layout.page_words() + layout.v_offset(0, 0);
        for (int64_t i = 0; i < row_words; ++i)
          words[static_cast<size_t>(values + p % 64 * row_words + i)] = kNan;
        for (int64_t i = 0; i < layout.scale_bytes() / 2; ++i)
          words[static_cast<size_t>(values + layout.scales_offset() + p % 64 * 2 + i)] = kNan;
      }
      kernel(got.args);
      const auto out = got.buffers.get<float>("out"), wanted = expected.buffers.get<float>("out");
      const auto seven_rows = static_cast<size_t>(7 * spec.head_dim);
      EXPECT_EQ(std::memcmp(out.data(), wanted.data(), seven_rows * sizeof(float)), 0)
          << kernel.name();
    }
  }
}

TEST(AttentionKernels, RefuseWithNumbers) {
  const auto reason = [](const Generator& generator, const AttentionSpec& spec, Isa isa) {
    return generator.accepts({.spec = spec, .plan = {}, .target = target_for(isa)}).message();
  };
  const auto narrow = make_x64_attention_avx2(), wide = make_x64_attention_avx512();
  EXPECT_EQ(reason(*narrow, {.head_dim = 72, .scale = 1}, Isa::kAvx2), "");
  EXPECT_EQ(reason(*wide, {.head_dim = 72, .scale = 1}, Isa::kAvx512Vnni),
            "head_dim = 72, expected a multiple of 16 up to 512");
  EXPECT_EQ(reason(*narrow, {.head_dim = 100, .scale = 1}, Isa::kAvx2),
            "head_dim = 100, expected a multiple of 8 up to 512");
  EXPECT_EQ(reason(*narrow, {.head_dim = 64, .q_per_kv = 33, .scale = 1}, Isa::kAvx2),
            "q_per_kv = 33, expected 1..32");
  EXPECT_EQ(reason(*wide, {.head_dim = 64, .scale = 1}, Isa::kAvx2),
            "needs avx512vnni, target is avx2");
}

}  // namespace
}  // namespace bitnetc
