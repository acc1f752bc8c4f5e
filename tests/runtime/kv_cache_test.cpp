// What a page of keys and values holds, and where.
#include "runtime/kv_cache.h"

#include <gtest/gtest.h>

#include "runtime/sequence.h"

namespace bitnetc {
namespace {

constexpr KvLayout layout_of(KvType type) {
  return {.layers = 30, .kv_heads = 5, .head_dim = 128, .type = type};
}

TEST(KvType, NamesLeadBack) {
  for (const KvType type : kKvTypes) EXPECT_EQ(parse_kv_type(kv_type_name(type)), type);
  EXPECT_EQ(kv_type_name(KvType::kI8), "i8");
  EXPECT_EQ(parse_kv_type("bf16"), std::nullopt);
  EXPECT_EQ(parse_kv_type(""), std::nullopt);
}

// 30 layers, keys and values, 5 kv heads of 128 cells; of i8 also a scale for each.
TEST(KvLayout, APositionTakesItsCellsAndScales) {
  EXPECT_EQ(layout_of(KvType::kF16).position_bytes(), 30 * 2 * 5 * 256);
  EXPECT_EQ(layout_of(KvType::kF32).position_bytes(), 30 * 2 * 5 * 512);
  EXPECT_EQ(layout_of(KvType::kI8).position_bytes(), 30 * 2 * 5 * (128 + 4));
  for (const KvType type : kKvTypes)
    EXPECT_EQ(layout_of(type).page_bytes(), 64 * layout_of(type).position_bytes());
}

// Layers, keys and values, heads, each from a cache line on; scales behind the cells of their head.
TEST(KvLayout, PartsFollowOneAnother) {
  for (const KvType type : kKvTypes) {
    const KvLayout layout = layout_of(type);
    int64_t at = 0;
    for (int64_t layer = 0; layer < 30; ++layer) {
      for (const bool values : {false, true}) {
        for (int64_t head = 0; head < 5; ++head) {
          EXPECT_EQ(values ? layout.v_offset(layer, head) : layout.k_offset(layer, head), at);
          EXPECT_EQ(at * 2 % 64, 0);
          at += layout.head_words();
        }
      }
    }
    EXPECT_EQ(at, layout.page_words());
    const int64_t cells = 64 * 128 * layout.cell_bytes();
    EXPECT_EQ(layout.scales_offset() * 2, cells);
    EXPECT_EQ(layout.head_words() * 2, cells + (type == KvType::kI8 ? 64 * 4 : 0));
  }
}

TEST(KvPool, APageOfAnotherTypeIsRefused) {
  const KvLayout small{.layers = 1, .kv_heads = 1, .head_dim = 16};
  KvLayout wide = small;
  wide.type = KvType::kF32;
  const auto pool = std::make_shared<KvPool>(small);
  KvPool other(wide);
  Sequence sequence(pool);
  sequence.adopt(*pool->take(), KvLayout::kPagePositions);
  EXPECT_EQ(other.take().value()->bytes(), 2 * pool->take().value()->bytes());
  EXPECT_DEATH(sequence.adopt(*other.take(), 1), "a page of 8192 bytes of another layout");
  EXPECT_DEATH(sequence.replace_page(0, *other.take()), "expected 4096");
}

}  // namespace
}  // namespace bitnetc
