// What every layout promises, whatever its bits: pack and unpack are inverse, pads hold weight 0,
// bad input is refused with its place, and the weights survive any walk from layout to layout.
#include "codegen/weight_layout.h"

#include <gtest/gtest.h>

#include "tests/codegen/layout/layout_support.h"

namespace bitnetc::test {
namespace {

class EveryLayout : public testing::TestWithParam<LayoutId> {
 protected:
  WeightLayout layout(int64_t n, int64_t k) const { return {.id = GetParam(), .n = n, .k = k}; }
  std::string name() const { return std::string(layout_name(GetParam())); }
};

constexpr int64_t kRows[] = {1, 3, 16, 17};
constexpr int64_t kColumns[] = {1, 4, 16, 20, 36, 37, 100, 8640};

TEST_P(EveryLayout, UnpackInvertsPack) {
  for (const int64_t n : kRows) {
    for (const int64_t k : kColumns) {
      const std::vector<int8_t> trits = random_trits(n * k, 7);
      EXPECT_EQ(unpacked(layout(n, k), packed(layout(n, k), trits)), trits) << n << " x " << k;
    }
  }
}

TEST_P(EveryLayout, SizesFollowFromWholeTilesAndBlocks) {
  for (const int64_t n : kRows) {
    for (const int64_t k : kColumns) {
      const WeightLayout shape = layout(n, k);
      EXPECT_EQ(shape.padded_n() % kTileRows, 0);
      EXPECT_LT(shape.padded_n() - n, kTileRows);
      EXPECT_EQ(shape.padded_k() % shape.block_columns(), 0);
      EXPECT_LT(shape.padded_k() - k, shape.block_columns());
      EXPECT_EQ(shape.total_bytes(), shape.padded_n() / kTileRows * shape.tile_bytes());
    }
  }
}

// The same bytes read as the padded matrix: nothing but zeros outside the weights.
TEST_P(EveryLayout, PadsHoldWeightZero) {
  for (const auto& [n, k] : {std::pair<int64_t, int64_t>{3, 5}, {16, 37}, {17, 36}}) {
    const WeightLayout ragged = layout(n, k);
    const auto bytes = packed(ragged, std::vector<int8_t>(static_cast<size_t>(n * k), 1));
    const WeightLayout whole = layout(ragged.padded_n(), ragged.padded_k());
    const std::vector<int8_t> trits = unpacked(whole, bytes);
    for (int64_t row = 0; row < whole.n; ++row)
      for (int64_t column = 0; column < whole.k; ++column)
        EXPECT_EQ(trits[static_cast<size_t>(row * whole.k + column)], row < n && column < k ? 1 : 0)
            << "(" << row << ", " << column << ") of " << n << " x " << k;
  }
}

// A tile is packed the same wherever it stands: the compiler packs tile by tile.
TEST_P(EveryLayout, TilesAreIndependent) {
  const WeightLayout both = layout(32, 40), one = layout(16, 40);
  const std::vector<int8_t> trits = random_trits(32 * 40, 3);
  const auto bytes = packed(both, trits);
  const auto second = packed(one, {trits.begin() + 16 * 40, trits.end()});
  EXPECT_EQ(std::vector<uint8_t>(bytes.begin() + both.tile_bytes(), bytes.end()), second);
}

TEST_P(EveryLayout, PackNamesTheFirstInvalidWeight) {
  const WeightLayout shape = layout(16, 20);
  for (const int8_t invalid : {int8_t{2}, int8_t{-2}, int8_t{127}, int8_t{-128}}) {
    std::vector<int8_t> trits(16 * 20, 0);
    trits[4 * 20 + 17] = invalid;
    trits[9 * 20 + 3] = 3;
    std::vector<uint8_t> bytes(static_cast<size_t>(shape.total_bytes()));
    const Status status = pack(shape, trits, bytes);
    EXPECT_EQ(status.code(), StatusCode::kInvalidArgument);
    EXPECT_EQ(status.message(),
              fmt::format("pack {}: weight (4, 17) is {}, expected -1, 0 or +1", name(), invalid));
  }
}

TEST_P(EveryLayout, WrongSizesAreRefused) {
  const WeightLayout shape = layout(16, 16);
  const auto bytes = static_cast<size_t>(shape.total_bytes());
  std::vector<int8_t> trits(16 * 16), few_trits(16 * 16 - 1);
  std::vector<uint8_t> enough(bytes), more(bytes + 1);
  EXPECT_EQ(pack(shape, few_trits, enough).code(), StatusCode::kInvalidArgument);
  EXPECT_EQ(pack(shape, trits, more).code(), StatusCode::kInvalidArgument);
  EXPECT_EQ(unpack(shape, more, trits).code(), StatusCode::kInvalidArgument);
  EXPECT_EQ(repack(shape, more, shape.id, enough).code(), StatusCode::kInvalidArgument);
  EXPECT_EQ(repack(shape, enough, shape.id, more).code(), StatusCode::kInvalidArgument);
}

TEST_P(EveryLayout, RepackingIntoAnyOtherIsPacking) {
  for (const LayoutId to : kLayouts) {
    for (const auto& [n, k] : {std::pair<int64_t, int64_t>{1, 1}, {17, 37}, {48, 100}, {32, 720}}) {
      const std::vector<int8_t> trits = random_trits(n * k, 11);
      const WeightLayout target{.id = to, .n = n, .k = k};
      std::vector<uint8_t> bytes(static_cast<size_t>(target.total_bytes()), 0xee);
      const Status status = repack(layout(n, k), packed(layout(n, k), trits), to, bytes);
      ASSERT_TRUE(status.ok()) << status.message();
      EXPECT_EQ(bytes, packed(target, trits)) << name() << " to " << layout_name(to);
    }
  }
}

INSTANTIATE_TEST_SUITE_P(Layouts, EveryLayout, testing::ValuesIn(kLayouts),
                         [](const auto& id) { return std::string(layout_name(id.param)); });

TEST(Repack, NamesTheTileOfACorruptWord) {
  const WeightLayout from{.id = LayoutId::kTl1, .n = 40, .k = 16};
  std::vector<uint8_t> bytes(static_cast<size_t>(from.total_bytes()));
  bytes[static_cast<size_t>(from.tile_bytes()) + 2 * 5] = 0x08;  // row 16 + 5, nibble -8
  const WeightLayout to{.n = 40, .k = 16};
  std::vector<uint8_t> out(static_cast<size_t>(to.total_bytes()));
  const Status status = repack(from, bytes, to.id, out);
  EXPECT_EQ(status.code(), StatusCode::kDataCorrupt);
  EXPECT_EQ(status.message(),
            "rows from 16: unpack tl1: row 5, columns from 0: no weights have these bits");
}

TEST(LayoutNames, AreReadBack) {
  for (const LayoutId id : kLayouts) EXPECT_EQ(parse_layout(layout_name(id)), id);
  EXPECT_EQ(parse_layout("i2_s"), std::nullopt);
}

}  // namespace
}  // namespace bitnetc::test
