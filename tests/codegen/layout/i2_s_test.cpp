#include "codegen/layout/i2_s.h"

#include <gtest/gtest.h>

#include <random>
#include <vector>

#include "codegen/weight_layout.h"

namespace bitnetc {
namespace {

std::vector<uint8_t> pack_or_die(const WeightLayout& layout, const std::vector<int8_t>& trits) {
  std::vector<uint8_t> packed(static_cast<size_t>(layout.total_bytes()), 0xee);
  const Status status = pack(layout, trits, packed);
  EXPECT_TRUE(status.ok()) << status.message();
  return packed;
}

// The example of docs/layouts/i2_s.md.
TEST(I2SLayout, OneByteByHand) {
  const WeightLayout layout{.n = 16, .k = 16};
  std::vector<int8_t> trits(16 * 16, 0);
  // Row 3, columns 1, 5, 9, 13: byte 4*3 + 1 = 13, planes 0, 1, 2, 3.
  trits[3 * 16 + 1] = -1;
  trits[3 * 16 + 5] = +1;
  trits[3 * 16 + 9] = 0;
  trits[3 * 16 + 13] = +1;
  const std::vector<uint8_t> packed = pack_or_die(layout, trits);
  for (size_t i = 0; i < packed.size(); ++i)
    EXPECT_EQ(packed[i], i == 13 ? 0b10'01'10'00 : 0b01'01'01'01) << "byte " << i;
}

TEST(I2SLayout, Sizes) {
  const WeightLayout even{.n = 2560, .k = 6912};
  EXPECT_EQ(even.tile_bytes(), 6912 / 16 * 64);
  EXPECT_EQ(even.total_bytes(), 2560 * 6912 / 4);
  EXPECT_DOUBLE_EQ(even.bits_per_weight(), 2.0);
  const WeightLayout ragged{.n = 17, .k = 33};
  EXPECT_EQ(ragged.padded_n(), 32);
  EXPECT_EQ(ragged.padded_k(), 48);
  EXPECT_EQ(ragged.total_bytes(), 2 * 3 * 64);
}

TEST(I2SLayout, UnpackInvertsPack) {
  std::mt19937 random(7);
  for (const auto& [n, k] :
       {std::pair<int64_t, int64_t>{16, 16}, {1, 1}, {17, 33}, {48, 100}, {31, 5}}) {
    const WeightLayout layout{.n = n, .k = k};
    std::vector<int8_t> trits(static_cast<size_t>(n * k));
    for (int8_t& trit : trits) trit = static_cast<int8_t>(static_cast<int>(random() % 3) - 1);
    const std::vector<uint8_t> packed = pack_or_die(layout, trits);
    std::vector<int8_t> back(trits.size(), 9);
    const Status status = unpack(layout, packed, back);
    ASSERT_TRUE(status.ok()) << status.message();
    EXPECT_EQ(back, trits) << n << " x " << k;
  }
}

TEST(I2SLayout, PadsHoldWeightZero) {
  const WeightLayout ragged{.n = 3, .k = 5};
  const std::vector<uint8_t> packed = pack_or_die(ragged, std::vector<int8_t>(15, 1));
  std::vector<int8_t> whole(16 * 16);
  ASSERT_TRUE(unpack({.n = 16, .k = 16}, packed, whole).ok());
  for (size_t n = 0; n < 16; ++n)
    for (size_t k = 0; k < 16; ++k) EXPECT_EQ(whole[n * 16 + k], n < 3 && k < 5 ? 1 : 0);
}

TEST(I2SLayout, PackNamesTheFirstInvalidWeight) {
  std::vector<int8_t> trits(16 * 20, 0);
  trits[4 * 20 + 17] = 2;
  trits[9 * 20 + 3] = -128;
  const WeightLayout layout{.n = 16, .k = 20};
  std::vector<uint8_t> packed(static_cast<size_t>(layout.total_bytes()));
  const Status status = pack(layout, trits, packed);
  EXPECT_EQ(status.code(), StatusCode::kInvalidArgument);
  EXPECT_EQ(status.message(), "pack i2s: weight (4, 17) is 2, expected -1, 0 or +1");
}

TEST(I2SLayout, UnpackNamesTheFirstInvalidCode) {
  const WeightLayout layout{.n = 16, .k = 16};
  std::vector<uint8_t> packed(64, 0b01010101);
  packed[4 * 2 + 3] |= 0b00110000;
  std::vector<int8_t> trits(256);
  const Status status = unpack(layout, packed, trits);
  EXPECT_EQ(status.code(), StatusCode::kDataCorrupt);
  EXPECT_EQ(status.message(), "unpack i2s: code of weight (2, 11) is 3, expected 0..2");
}

TEST(I2SLayout, WrongSizesAreRefused) {
  const WeightLayout layout{.n = 16, .k = 16};
  std::vector<int8_t> trits(255);
  std::vector<uint8_t> packed(64);
  EXPECT_EQ(pack(layout, trits, packed).code(), StatusCode::kInvalidArgument);
  trits.resize(256);
  packed.resize(65);
  EXPECT_EQ(pack(layout, trits, packed).code(), StatusCode::kInvalidArgument);
  EXPECT_EQ(unpack(layout, packed, trits).code(), StatusCode::kInvalidArgument);
}

}  // namespace
}  // namespace bitnetc
