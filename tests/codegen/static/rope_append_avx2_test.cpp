#include "codegen/reference/reference.h"
#include "runtime/kv_cache.h"
#include "tests/codegen/static/static_kernel_test.h"

namespace bitnetc::test {
namespace {

// Everything one call reads and writes.
struct Buffers {
  Buffers(const RopeAppendSpec& spec, const KvLayout& layout, Edge edge)
      : qkv(static_cast<size_t>(spec.v_offset() + spec.kv_heads * spec.head_dim), edge),
        k(static_cast<size_t>(layout.kv_heads * layout.head_words()), edge),
        v(static_cast<size_t>(layout.kv_heads * layout.head_words()), edge) {}
  GuardedBuffer<float> qkv;
  GuardedBuffer<uint16_t> k, v;
};

void expect_same_bits(const RopeAppendSpec& spec, int64_t position, Edge edge) {
  SCOPED_TRACE(fmt::format("{} position {}", spec_name(spec), position));
  const KvLayout layout = spec.layout();
  GuardedBuffer<float> cos(static_cast<size_t>(spec.head_dim / 2), edge), sin(cos.size(), edge);
  math::rope_row(position, math::rope_frequencies(spec.head_dim, 5e5), 1, cos.data(), sin.data());
  Buffers expected(spec, layout, edge), got(spec, layout, edge);
  for (Buffers* buffers : {&expected, &got}) {
    RandomValues random(static_cast<uint64_t>(position));
    random.fill(buffers->qkv, 3000.0f);  // values past the largest fp16 included
    random.fill_f16(buffers->k, 1.0f);
    random.fill_f16(buffers->v, 1.0f);
  }
  const auto args = [&](Buffers& buffers) {
    return RopeAppendArgs{.qkv = buffers.qkv.data(),
                          .cos = cos.data(),
                          .sin = sin.data(),
                          .k_cache = buffers.k.data(),
                          .v_cache = buffers.v.data(),
                          .position = position,
                          .head_stride = layout.head_words(),
                          .q_begin = 0,
                          .q_end = spec.q_heads,
                          .kv_begin = 0,
                          .kv_end = spec.kv_heads};
  };
  reference::rope_append(spec, args(expected));
  build_static(*make_static_rope_append_avx2(), spec)(args(got));
  EXPECT_EQ(first_difference<float>(got.qkv, expected.qkv), -1);
  EXPECT_EQ(first_difference<uint16_t>(got.k, expected.k), -1);
  EXPECT_EQ(first_difference<uint16_t>(got.v, expected.v), -1);
  EXPECT_TRUE(got.qkv.slack_intact() && got.k.slack_intact() && got.v.slack_intact());
}

TEST(StaticRopeAppendAvx2Test, SameBitsForEveryHeadDim) {
  BITNETC_SKIP_WITHOUT_AVX2();
  for (const KvType type : kKvTypes)
    for (const int64_t head_dim : {2, 4, 6, 14, 16, 18, 32, 50, 64, 80, 100, 128, 256})
      for (const Edge edge : kBothEdges)
        expect_same_bits({.q_heads = 3, .kv_heads = 2, .head_dim = head_dim, .kv_type = type}, 21,
                         edge);
}

TEST(StaticRopeAppendAvx2Test, SameBitsForEveryPositionOfTheBlocks) {
  BITNETC_SKIP_WITHOUT_AVX2();
  for (const KvType type : kKvTypes)
    for (int64_t position = 0; position < KvLayout::kPagePositions; ++position)
      expect_same_bits({.q_heads = 20, .kv_heads = 5, .head_dim = 128, .kv_type = type}, position,
                       Edge::kEnd);
}

}  // namespace
}  // namespace bitnetc::test
