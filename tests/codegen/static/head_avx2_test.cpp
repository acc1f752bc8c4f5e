#include "codegen/reference/reference.h"
#include "tests/codegen/static/static_kernel_test.h"

namespace bitnetc::test {
namespace {

constexpr FloatType kTypes[] = {FloatType::kF32, FloatType::kF16, FloatType::kBf16};

// A random table as raw elements of its type.
template <typename Element>
void fill_table(FloatType type, RandomValues& random, GuardedBuffer<Element>& table) {
  if constexpr (std::is_same_v<Element, float>) {
    random.fill(table, 1.0f);
  } else {
    type == FloatType::kF16 ? random.fill_f16(table, 1.0f) : random.fill_bf16(table, 1.0f);
  }
}

template <typename Element>
void expect_same_head_bits(FloatType type, int64_t n, int64_t k, int64_t begin, int64_t end,
                           Edge edge) {
  SCOPED_TRACE(
      fmt::format("{} n = {}, k = {}, rows {}..{}", float_type_name(type), n, k, begin, end));
  RandomValues random(static_cast<uint64_t>(k));
  // One hidden row, and as many as a call may have; rows lie apart by more than they hold.
  for (const int64_t rows : {int64_t{1}, kMaxHeadRows}) {
    const int64_t hidden_stride = k + (rows > 1 ? 3 : 0), logits_stride = n + (rows > 1 ? 5 : 0);
    GuardedBuffer<float> hidden(static_cast<size_t>(rows * hidden_stride), edge);
    GuardedBuffer<float> logits(static_cast<size_t>(rows * logits_stride), edge);
    GuardedBuffer<Element> table(static_cast<size_t>(n * k), edge);
    random.fill(hidden, 1.0f);
    fill_table(type, random, table);
    std::vector<float> expected(logits.size());
    const HeadSpec spec{.n = n, .k = k, .type = type};
    HeadArgs args{.hidden = hidden.data(),
                  .table = table.data(),
                  .logits = expected.data(),
                  .hidden_stride = hidden_stride,
                  .logits_stride = logits_stride,
                  .rows = rows,
                  .row_begin = begin,
                  .row_end = end};
    reference::head(spec, args);
    args.logits = logits.data();
    build_static(*make_static_head_avx2(), spec)(args);
    EXPECT_EQ(first_difference<float>(logits, expected), -1);
    EXPECT_TRUE(logits.slack_intact());
  }
}

void expect_same_head_bits(FloatType type, int64_t n, int64_t k, int64_t begin, int64_t end,
                           Edge edge) {
  if (type == FloatType::kF32) {
    expect_same_head_bits<float>(type, n, k, begin, end, edge);
  } else {
    expect_same_head_bits<uint16_t>(type, n, k, begin, end, edge);
  }
}

TEST(StaticHeadAvx2Test, SameBitsForEveryWidth) {
  BITNETC_SKIP_WITHOUT_AVX2();
  for (const FloatType type : kTypes)
    for (int64_t k = 1; k <= 200; ++k)
      for (const Edge edge : kBothEdges) expect_same_head_bits(type, 3, k, 0, 3, edge);
}

TEST(StaticHeadAvx2Test, SameBitsForRealWidthsAndAnyRows) {
  BITNETC_SKIP_WITHOUT_AVX2();
  for (const FloatType type : kTypes) {
    expect_same_head_bits(type, 40, 2560, 0, 40, Edge::kEnd);
    expect_same_head_bits(type, 40, 2560, 7, 8, Edge::kEnd);
    expect_same_head_bits(type, 40, 2560, 39, 40, Edge::kEnd);
    expect_same_head_bits(type, 40, 256, 5, 5, Edge::kEnd);
    expect_same_head_bits(type, 33, 1537, 1, 33, Edge::kBegin);
    expect_same_head_bits(type, 2, 16384, 0, 2, Edge::kEnd);
    expect_same_head_bits(type, 2, 16385, 0, 2, Edge::kEnd);
    expect_same_head_bits(type, 2, 32769, 0, 2, Edge::kEnd);
  }
}

TEST(StaticHeadAvx2Test, NegativeZeroOfAnUntouchedLaneSurvives) {
  BITNETC_SKIP_WITHOUT_AVX2();
  // Lane 63 underflows to -0 in the first group; the second group has one element only.
  GuardedBuffer<float> hidden(65), table(65);
  for (size_t i = 0; i < 64; ++i) {
    hidden[i] = -0x1p-100f;
    table[i] = 0x1p-100f;
  }
  hidden[64] = -0x1p-100f;
  table[64] = 0x1p-100f;
  const HeadSpec spec{.n = 1, .k = 65, .type = FloatType::kF32};
  float logit = 1, expected = 1;
  HeadArgs args{.hidden = hidden.data(),
                .table = table.data(),
                .logits = &expected,
                .hidden_stride = 65,
                .logits_stride = 1,
                .rows = 1,
                .row_begin = 0,
                .row_end = 1};
  reference::head(spec, args);
  args.logits = &logit;
  build_static(*make_static_head_avx2(), spec)(args);
  EXPECT_EQ(std::bit_cast<uint32_t>(expected), 0x80000000u);
  EXPECT_EQ(std::bit_cast<uint32_t>(logit), 0x80000000u);
}

template <typename Element>
void expect_same_embed_bits(FloatType type, int64_t k, Edge edge) {
  SCOPED_TRACE(fmt::format("embed {} k = {}", float_type_name(type), k));
  RandomValues random(static_cast<uint64_t>(k));
  GuardedBuffer<Element> table(static_cast<size_t>(3 * k), edge);
  fill_table(type, random, table);
  const EmbedSpec spec{.k = k, .type = type};
  const Kernel kernel = build_static(*make_static_embed_avx2(), spec);
  for (int64_t token = 0; token < 3; ++token) {
    GuardedBuffer<float> h(static_cast<size_t>(k), edge);
    std::vector<float> expected(h.size());
    reference::embed(spec, {.table = table.data(), .h = expected.data(), .token = token});
    kernel(EmbedArgs{.table = table.data(), .h = h.data(), .token = token});
    EXPECT_EQ(first_difference<float>(h, expected), -1);
    EXPECT_TRUE(h.slack_intact());
  }
}

TEST(StaticEmbedAvx2Test, SameBitsForEveryWidth) {
  BITNETC_SKIP_WITHOUT_AVX2();
  for (int64_t k = 1; k <= 70; ++k) {
    for (const Edge edge : kBothEdges) {
      expect_same_embed_bits<float>(FloatType::kF32, k, edge);
      expect_same_embed_bits<uint16_t>(FloatType::kF16, k, edge);
      expect_same_embed_bits<uint16_t>(FloatType::kBf16, k, edge);
    }
  }
}

}  // namespace
}  // namespace bitnetc::test
