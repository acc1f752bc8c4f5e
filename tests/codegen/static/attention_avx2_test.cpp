#include <deque>

#include "codegen/reference/reference.h"
#include "runtime/attention_scratch.h"
#include "runtime/kv_cache.h"
#include "runtime/rounding.h"
#include "tests/codegen/static/static_kernel_test.h"

namespace bitnetc::test {
namespace {

size_t count_of(int64_t value) {
  return static_cast<size_t>(value);
}

void expect_same_bits(int64_t head_dim, int64_t position, float score_scale, Edge edge,
                      int64_t window = 0) {
  SCOPED_TRACE(fmt::format("d = {}, position = {}, score scale {}, edge {}, window {}", head_dim,
                           position, score_scale, static_cast<int>(edge), window));
  RandomValues random(static_cast<uint64_t>(head_dim * 100003 + position));
  const KvLayout layout{.kv_heads = 1, .head_dim = head_dim};
  GuardedBuffer<float> q(count_of(head_dim), edge), out(count_of(head_dim), edge);
  const AttentionScratch scratch{.head_dim = head_dim};
  GuardedBuffer<float> scores(
      count_of(scratch.elements_per_position() * round_up(position + 1, kAttentionChunk)), edge);
  random.fill(q, score_scale);
  std::deque<GuardedBuffer<uint16_t>> memory;
  std::vector<const uint16_t*> pages;
  for (int64_t first = 0; first <= position; first += KvLayout::kPagePositions) {
    auto& page = memory.emplace_back(count_of(layout.page_words()), edge);
    random.fill_f16(page, 1.0f);
    pages.push_back(page.data());
    // Positions that are not there yet hold the worst there is.
    for (int64_t p = std::max(first, position + 1) - first; p < KvLayout::kPagePositions; ++p) {
      for (int64_t d = 0; d < head_dim; ++d) {
        page[count_of(layout.k_offset(0, 0) + layout.k_index(p, d))] = 0x7e00;
        page[count_of(layout.v_offset(0, 0) + layout.v_index(p, d))] = 0x7e00;
      }
    }
  }
  const AttentionSpec spec{.head_dim = head_dim,
                           .window = window,
                           .scale = 1.0f / std::sqrt(static_cast<float>(head_dim))};
  std::vector<float> expected(out.size()), expected_scores(scores.size());
  AttentionArgs args{.q = q.data(),
                     .out = expected.data(),
                     .pages = pages.data(),
                     .k_offset = layout.k_offset(0, 0),
                     .v_offset = layout.v_offset(0, 0),
                     .scores = expected_scores.data(),
                     .position = position,
                     .rows = 1,
                     .q_stride = head_dim,
                     .out_stride = head_dim};
  reference::attention(spec, args);
  args.out = out.data();
  args.scores = scores.data();
  build_static(*make_static_attention_avx2(), spec)(args);
  EXPECT_EQ(first_difference<float>(out, expected), -1);
  EXPECT_TRUE(out.slack_intact() && scores.slack_intact());
}

TEST(StaticAttentionAvx2Test, SameBitsForEveryPositionUpToFiveBlocks) {
  BITNETC_SKIP_WITHOUT_AVX2();
  for (int64_t position = 0; position < 80; ++position)
    for (const Edge edge : kBothEdges) expect_same_bits(64, position, 1.0f, edge);
}

TEST(StaticAttentionAvx2Test, SameBitsForEveryHeadDim) {
  BITNETC_SKIP_WITHOUT_AVX2();
  for (const int64_t head_dim : {8, 9, 10, 15, 16, 17, 48, 63, 64, 65, 80, 96, 100, 128, 130, 256})
    for (const Edge edge : kBothEdges) expect_same_bits(head_dim, 37, 1.0f, edge);
}

TEST(StaticAttentionAvx2Test, SameBitsAroundTheChunks) {
  BITNETC_SKIP_WITHOUT_AVX2();
  for (const int64_t positions : {255, 256, 257, 511, 512, 513, 777, 2000})
    expect_same_bits(100, positions - 1, 1.0f, Edge::kEnd);
}

// Windows that begin inside a vector, a block, a page and a chunk, and at their edges.
TEST(StaticAttentionAvx2Test, SameBitsInAWindow) {
  BITNETC_SKIP_WITHOUT_AVX2();
  for (const int64_t window : {1, 2, 7, 8, 9, 63, 64, 65, 100, 255, 256, 257, 400, 2000})
    for (const int64_t position : {0, 5, 63, 64, 100, 255, 256, 300, 511, 512, 700})
      for (const Edge edge : kBothEdges) expect_same_bits(40, position, 1.0f, edge, window);
}

TEST(StaticAttentionAvx2Test, SameBitsWhenScoresSpreadOverTheWholeRangeOfExp) {
  BITNETC_SKIP_WITHOUT_AVX2();
  for (const float score_scale : {1e-3f, 10.0f, 100.0f, 3000.0f})
    expect_same_bits(128, 300, score_scale, Edge::kEnd);
}

TEST(StaticAttentionAvx2Test, DeclinesWithTheReason) {
  const auto generator = make_static_attention_avx2();
  const auto reason = [&](const KernelSpec& spec, Isa isa) {
    return generator->accepts({.spec = spec, .plan = {}, .target = target_for(isa)}).message();
  };
  EXPECT_EQ(reason(AttentionSpec{.head_dim = 128, .scale = 1}, Isa::kScalar),
            "needs avx2, the target is scalar");
  EXPECT_EQ(reason(AttentionSpec{.head_dim = 6, .scale = 1}, Isa::kAvx2),
            "head_dim = 6 is less than one vector of 8");
  EXPECT_EQ(reason(RmsNormSpec{.k = 8, .eps = 0}, Isa::kAvx2),
            spec_name(RmsNormSpec{.k = 8, .eps = 0}) + " is another operation");
}

}  // namespace
}  // namespace bitnetc::test
