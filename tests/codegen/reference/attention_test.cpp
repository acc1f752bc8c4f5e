#include <gtest/gtest.h>

#include <algorithm>
#include <cmath>
#include <vector>

#include "codegen/reference/reference.h"
#include "runtime/attention_scratch.h"
#include "runtime/kv_cache.h"
#include "runtime/math.h"
#include "runtime/rounding.h"
#include "tests/support/random_values.h"

namespace bitnetc {
namespace {

// One kv head's keys and values, in pages.
struct Cache {
  Cache(int64_t head_dim, int64_t positions)
      : layout{.kv_heads = 1, .head_dim = head_dim},
        pages(static_cast<size_t>((positions + 63) / 64),
              std::vector<uint16_t>(static_cast<size_t>(layout.page_words()))) {}

  uint16_t& key(int64_t position, int64_t d) {
    return at(position, layout.k_offset(0, 0) + layout.k_index(position % 64, d));
  }
  uint16_t& value(int64_t position, int64_t d) {
    return at(position, layout.v_offset(0, 0) + layout.v_index(position % 64, d));
  }
  uint16_t& at(int64_t position, int64_t offset) {
    return pages[static_cast<size_t>(position / 64)][static_cast<size_t>(offset)];
  }
  std::vector<float> attend(const std::vector<float>& q, float scale, int64_t position,
                            int64_t window = 0) const {
    std::vector<const uint16_t*> table;
    for (const auto& page : pages) table.push_back(page.data());
    std::vector<float> out(q.size());
    const AttentionScratch scratch{.head_dim = layout.head_dim};
    std::vector<float> scores(static_cast<size_t>(scratch.elements_per_position() *
                                                  round_up(position + 1, kAttentionChunk)));
    reference::attention({.head_dim = layout.head_dim, .window = window, .scale = scale},
                         {.q = q.data(),
                          .out = out.data(),
                          .pages = table.data(),
                          .k_offset = layout.k_offset(0, 0),
                          .v_offset = layout.v_offset(0, 0),
                          .scores = scores.data(),
                          .position = position,
                          .rows = 1,
                          .q_stride = layout.head_dim,
                          .out_stride = layout.head_dim});
    return out;
  }

  KvLayout layout;
  std::vector<std::vector<uint16_t>> pages;
};

TEST(ReferenceAttentionTest, OneKeyGivesItsValue) {
  Cache cache(4, 1);
  const float values[] = {1.5f, -2.0f, 0.0f, 1000.0f};
  for (int64_t d = 0; d < 4; ++d) {
    cache.key(0, d) = math::round_to_f16(static_cast<float>(d) - 1.5f);
    cache.value(0, d) = math::round_to_f16(values[d]);
  }
  EXPECT_EQ(cache.attend({3, 1, 4, 1}, 0.5f, 0), (std::vector<float>{1.5f, -2.0f, 0.0f, 1000.0f}));
}

TEST(ReferenceAttentionTest, TwoKeysWorkedByHand) {
  Cache cache(2, 2);
  cache.key(0, 0) = math::round_to_f16(1);  // score 2 * 1 * 0.5 = 1, the maximum
  cache.key(1, 1) = math::round_to_f16(1);  // score 0
  cache.value(0, 0) = math::round_to_f16(1);
  cache.value(1, 1) = math::round_to_f16(1);
  const float e = math::exp_f32(-1.0f);
  EXPECT_EQ(cache.attend({2, 0}, 0.5f, 1), (std::vector<float>{1 / (1 + e), e / (1 + e)}));
}

TEST(ReferenceAttentionTest, AKeyFarBelowTheBestHasNoWeight) {
  Cache cache(1, 2);
  cache.value(0, 0) = math::round_to_f16(1);
  cache.value(1, 0) = math::round_to_f16(60000);
  cache.key(1, 0) = math::round_to_f16(-64);  // scores 0 and -64: weight e^-64
  EXPECT_EQ(cache.attend({1}, 1.0f, 1), (std::vector<float>{1}));
  cache.value(0, 0) = 0;
  EXPECT_EQ(cache.attend({1}, 1.0f, 1), (std::vector<float>{60000 * math::exp_f32(-64)}));
  cache.key(1, 0) = math::round_to_f16(-64.0625f);
  EXPECT_EQ(cache.attend({1}, 1.0f, 1), (std::vector<float>{0}));
}

TEST(ReferenceAttentionTest, LaterPositionsAreNotSeen) {
  Cache cache(2, 3);
  for (int64_t d = 0; d < 2; ++d) {
    cache.key(2, d) = math::round_to_f16(60000);
    cache.value(2, d) = 0x7e00;  // NaN
  }
  cache.value(0, 0) = cache.value(1, 0) = math::round_to_f16(2);
  EXPECT_EQ(cache.attend({1, 1}, 1.0f, 1), (std::vector<float>{2, 0}));
}

TEST(ReferenceAttentionTest, AWindowHidesEarlierPositions) {
  Cache cache(1, 70);
  for (int64_t p = 0; p < 70; ++p) cache.value(p, 0) = math::round_to_f16(static_cast<float>(p));
  EXPECT_EQ(cache.attend({0}, 1.0f, 69, 1), (std::vector<float>{69}));
  EXPECT_EQ(cache.attend({0}, 1.0f, 69, 3), (std::vector<float>{68}));
  EXPECT_EQ(cache.attend({0}, 1.0f, 1, 64), (std::vector<float>{0.5f}));
}

// All scores equal, so e = 1 everywhere and the sums of V show the order of accumulation.
std::vector<float> attend_flat(Cache& cache, int64_t positions) {
  return cache.attend(std::vector<float>(static_cast<size_t>(cache.layout.head_dim), 0.0f), 1.0f,
                      positions - 1);
}

// fma chains of ones and products of 1 are plain sums: chunks of 256, added in order.
float chunked_mean(Cache& cache, int64_t positions) {
  float total = 0, count = 0;
  for (int64_t begin = 0; begin < positions; begin += 256) {
    float chunk = 0, ones = 0;
    for (int64_t p = begin; p < std::min(begin + 256, positions); ++p) {
      chunk += math::widen_f16(cache.value(p, 0));
      ones += 1;
    }
    total += chunk;
    count += ones;
  }
  return total / count;
}

TEST(ReferenceAttentionTest, ChunksEndAt256Positions) {
  // 1 + 255 ones after 2^15: what a chunk sums on its own is not what one long chain sums.
  for (const int64_t positions : {255, 256, 257, 511, 512, 513}) {
    Cache cache(1, positions);
    test::RandomValues random(static_cast<uint64_t>(positions));
    for (auto& page : cache.pages) random.fill_f16(page, 100.0f);
    for (int64_t p = 0; p < positions; ++p) cache.key(p, 0) = 0;
    EXPECT_EQ(attend_flat(cache, positions)[0], chunked_mean(cache, positions)) << positions;
  }
}

TEST(ReferenceAttentionTest, TheSecondChunkIsSummedBeforeItIsAdded) {
  constexpr int64_t kPositions = 512;
  Cache cache(1, kPositions);
  // First chunk: 256 * 65504 = 2^24 - 8192. Second: 256 quarters. One by one each quarter would be
  // lost (the last place there is 1); as a chunk they add 64.
  for (int64_t p = 0; p < kPositions; ++p)
    cache.value(p, 0) = math::round_to_f16(p < 256 ? 65504.0f : 0.25f);
  EXPECT_EQ(attend_flat(cache, kPositions)[0], (256.0f * 65504.0f + 64.0f) / 512.0f);
}

// Two positions of one dimension. i8: score (q * code * scale of the key) * score scale, weights
// times the scale of the value before the code.
TEST(ReferenceAttentionTest, I8ScalesScoresAndWeights) {
  const AttentionSpec spec{.head_dim = 1, .scale = 0.5f, .kv_type = KvType::kI8};
  const KvLayout layout = spec.layout();
  std::vector<uint16_t> page(static_cast<size_t>(layout.page_words()));
  const auto put = [&](int64_t offset, int64_t position, int8_t code, float scale) {
    auto* const head = page.data() + offset;
    reinterpret_cast<int8_t*>(head)[position] = code;
    reinterpret_cast<float*>(head + layout.scales_offset())[position] = scale;
  };
  put(layout.k_offset(0, 0), 0, 3, 0.7f);
  put(layout.k_offset(0, 0), 1, -2, 0.3f);
  put(layout.v_offset(0, 0), 0, 100, 0.013f);
  put(layout.v_offset(0, 0), 1, -77, 0.17f);
  const uint16_t* const pages[] = {page.data()};
  const AttentionScratch scratch{.head_dim = 1};
  std::vector<float> scores(static_cast<size_t>(scratch.chunk_elements()));
  const float q = 1.1f;
  float out = 0;
  reference::attention(spec, {.q = &q,
                              .out = &out,
                              .pages = pages,
                              .k_offset = layout.k_offset(0, 0),
                              .v_offset = layout.v_offset(0, 0),
                              .scores = scores.data(),
                              .position = 1,
                              .rows = 1,
                              .q_stride = 1,
                              .out_stride = 1});
  const float first = ((q * 3) * 0.7f) * 0.5f, second = ((q * -2) * 0.3f) * 0.5f;
  const float e = math::exp_f32(second - first);
  EXPECT_EQ(out, std::fma(e * 0.17f, -77.0f, 0.013f * 100) / (1 + e));
}

TEST(ReferenceRopeAppendTest, RotatesHalvesAndAppends) {
  const RopeAppendSpec spec{.q_heads = 1, .kv_heads = 1, .head_dim = 4};
  std::vector<float> qkv(static_cast<size_t>(spec.qkv_columns()));
  ASSERT_EQ(spec.k_offset(), 16);
  ASSERT_EQ(spec.v_offset(), 32);
  const float in[] = {1, 2, 3, 4};
  for (size_t i = 0; i < 4; ++i) qkv[i] = qkv[16 + i] = in[i];
  for (size_t i = 0; i < 4; ++i) qkv[32 + i] = static_cast<float>(i) + 0.1f;
  const float cos[] = {0, 0.5f}, sin[] = {1, 0.25f};
  KvLayout layout{.kv_heads = 1, .head_dim = 4};
  std::vector<uint16_t> k(256, 0xffff), v(256, 0xffff);
  reference::rope_append(spec, {.qkv = qkv.data(),
                                .cos = cos,
                                .sin = sin,
                                .k_cache = k.data(),
                                .v_cache = v.data(),
                                .position = 17,
                                .head_stride = layout.head_words(),
                                .q_end = spec.q_heads,
                                .kv_end = spec.kv_heads});
  const float rotated[] = {-3, 2 * 0.5f - 4 * 0.25f, 1, 4 * 0.5f + 2 * 0.25f};
  for (size_t i = 0; i < 4; ++i) {
    EXPECT_EQ(qkv[i], rotated[i]);
    EXPECT_EQ(qkv[16 + i], rotated[i]);
    EXPECT_EQ(k[64 + i * 16 + 1], math::round_to_f16(rotated[i]));
    EXPECT_EQ(v[17 * 4 + i], math::round_to_f16(static_cast<float>(i) + 0.1f));
  }
  EXPECT_EQ(std::count(k.begin(), k.end(), 0xffff), 252);
  EXPECT_EQ(std::count(v.begin(), v.end(), 0xffff), 252);
}

// What the append of one head of `spec` leaves in k and v: the key and the value are x[d] both.
struct Appended {
  Appended(const RopeAppendSpec& spec, const std::vector<float>& x, int64_t position)
      : layout(spec.layout()),
        k(static_cast<size_t>(layout.head_words()), 0xffff),
        v(static_cast<size_t>(layout.head_words()), 0xffff) {
    std::vector<float> qkv(static_cast<size_t>(spec.qkv_columns()));
    for (size_t d = 0; d < x.size(); ++d)
      qkv[static_cast<size_t>(spec.k_offset()) + d] =
          qkv[static_cast<size_t>(spec.v_offset()) + d] = x[d];
    const std::vector<float> cos(x.size() / 2, 1.0f), sin(x.size() / 2, 0.0f);
    reference::rope_append(spec, {.qkv = qkv.data(),
                                  .cos = cos.data(),
                                  .sin = sin.data(),
                                  .k_cache = k.data(),
                                  .v_cache = v.data(),
                                  .position = position,
                                  .head_stride = layout.head_words(),
                                  .q_end = spec.q_heads,
                                  .kv_end = spec.kv_heads});
  }
  template <typename Cell>
  static Cell cell(const std::vector<uint16_t>& words, int64_t at) {
    Cell value;
    std::memcpy(&value, reinterpret_cast<const char*>(words.data()) + at * int64_t{sizeof(Cell)},
                sizeof(Cell));
    return value;
  }
  float scale(const std::vector<uint16_t>& words, int64_t position) const {
    return cell<float>(words, layout.scales_offset() / 2 + position);
  }

  KvLayout layout;
  std::vector<uint16_t> k, v;
};

TEST(ReferenceRopeAppendTest, F32IsStoredAsItIs) {
  const RopeAppendSpec spec{.q_heads = 1, .kv_heads = 1, .head_dim = 4, .kv_type = KvType::kF32};
  const std::vector<float> x = {0x1.fffffcp+127f, -0x1p-149f, 1e6f, 0x1.000002p+0f};
  const Appended appended(spec, x, 18);
  for (int64_t d = 0; d < 4; ++d) {
    EXPECT_EQ(Appended::cell<float>(appended.k, 64 + d * 16 + 2), x[static_cast<size_t>(d)]);
    EXPECT_EQ(Appended::cell<float>(appended.v, 18 * 4 + d), x[static_cast<size_t>(d)]);
  }
  EXPECT_EQ(std::count(appended.k.begin(), appended.k.end(), 0xffff), 2 * 64 * 4 - 8);
}

// The largest magnitude 254 is code 127, so the scale is 2 and a code is half of its value: halves
// go to the even code.
TEST(ReferenceRopeAppendTest, I8CodesAreRoundedToTheEvenOneBelowALargestOf127) {
  const RopeAppendSpec spec{.q_heads = 1, .kv_heads = 1, .head_dim = 8, .kv_type = KvType::kI8};
  const std::vector<float> x = {-254, 5, 7, -5, 0.99f, 1, -0.0f, 252.9f};
  const int8_t codes[] = {-127, 2, 4, -2, 0, 0, 0, 126};
  const Appended appended(spec, x, 18);
  EXPECT_EQ(appended.scale(appended.k, 18), 2.0f);
  EXPECT_EQ(appended.scale(appended.v, 18), 2.0f);
  for (int64_t d = 0; d < 8; ++d) {
    EXPECT_EQ(Appended::cell<int8_t>(appended.k, 8 * 16 + d * 16 + 2), codes[d]) << d;
    EXPECT_EQ(Appended::cell<int8_t>(appended.v, 18 * 8 + d), codes[d]) << d;
  }
  EXPECT_EQ(Appended::cell<int8_t>(appended.v, 17 * 8), -1);
  EXPECT_EQ(Appended::cell<uint32_t>(appended.v, appended.layout.scales_offset() / 2 + 17),
            0xffffffffu);
}

TEST(ReferenceRopeAppendTest, I8OfZerosHasTheLeastMeasure) {
  const RopeAppendSpec spec{.q_heads = 1, .kv_heads = 1, .head_dim = 2, .kv_type = KvType::kI8};
  const Appended zeros(spec, {0, -0.0f}, 0);
  EXPECT_EQ(zeros.scale(zeros.k, 0), 1e-5f / 127.0f);
  EXPECT_EQ(Appended::cell<int16_t>(zeros.v, 0), 0);
  const Appended little(spec, {5e-6f, -1e-7f}, 0);
  EXPECT_EQ(little.scale(little.v, 0), 1e-5f / 127.0f);
  EXPECT_EQ(Appended::cell<int8_t>(little.v, 0), 64);  // 63.5
  EXPECT_EQ(Appended::cell<int8_t>(little.v, 1), -1);
}

TEST(ReferenceRopeAppendTest, OneProductIsRoundedTheOtherFused) {
  const RopeAppendSpec spec{.q_heads = 1, .kv_heads = 1, .head_dim = 2};
  std::vector<float> qkv(static_cast<size_t>(spec.qkv_columns()));
  const float a = 0x1.000002p+0f, b = 0x1.fffffep-1f, c = 0x1.6a09e6p-1f, s = 0x1.6a09e8p-1f;
  qkv[0] = a;
  qkv[1] = b;
  std::vector<uint16_t> k(32), v(32);
  reference::rope_append(spec, {.qkv = qkv.data(),
                                .cos = &c,
                                .sin = &s,
                                .k_cache = k.data(),
                                .v_cache = v.data(),
                                .position = 0,
                                .head_stride = 32,
                                .q_end = spec.q_heads,
                                .kv_end = spec.kv_heads});
  EXPECT_EQ(qkv[0], std::fma(a, c, -(b * s)));
  EXPECT_EQ(qkv[1], std::fma(b, c, a * s));
  EXPECT_NE(qkv[0], a * c - b * s) << "the example does not tell fused from unfused";
}

}  // namespace
}  // namespace bitnetc
