// The bits of neuron rows as docs/layouts/neuron_rows.md gives them.
#include "codegen/layout/neuron_rows.h"

#include <gtest/gtest.h>

#include <random>
#include <vector>

namespace bitnetc::test {
namespace {

constexpr NeuronOrder kOrders[] = {NeuronOrder::kPlanes, NeuronOrder::kTiles};

std::vector<uint8_t> empty(const NeuronRows& rows) {
  return std::vector<uint8_t>(static_cast<size_t>(rows.total_bytes()), kZeroNeuronWeights);
}

std::vector<int8_t> random_trits(int64_t count) {
  std::mt19937 random(7);
  std::vector<int8_t> trits;
  for (int64_t i = 0; i < count; ++i) trits.push_back(static_cast<int8_t>(random() % 3) - 1);
  return trits;
}

// The examples of docs/layouts/neuron_rows.md.
TEST(NeuronRows, OneByteByHand) {
  std::vector<int8_t> trits(256, 0);
  trits[5] = -1, trits[64 + 5] = 1, trits[192 + 5] = 1;
  const NeuronRows planes{.neurons = 1, .width = 256, .order = NeuronOrder::kPlanes};
  std::vector<uint8_t> bytes = empty(planes);
  pack_neuron_rows(planes, trits, bytes);
  for (size_t i = 0; i < bytes.size(); ++i)
    EXPECT_EQ(bytes[i], i == 5 ? 0b10'01'10'00 : kZeroNeuronWeights) << "byte " << i;

  std::ranges::fill(trits, int8_t{0});
  trits[16 + 1] = -1, trits[16 + 4 + 1] = 1, trits[16 + 12 + 1] = 1;
  const NeuronRows tiles{.neurons = 1, .width = 256, .order = NeuronOrder::kTiles};
  bytes = empty(tiles);
  pack_neuron_rows(tiles, trits, bytes);
  for (size_t i = 0; i < bytes.size(); ++i)
    EXPECT_EQ(bytes[i], i == 5 ? 0b10'01'10'00 : kZeroNeuronWeights) << "byte " << i;
}

TEST(NeuronRows, HoldEveryWeightOfRowsAndColumns) {
  for (const NeuronOrder order : kOrders) {
    for (const int64_t width : {1, 16, 100, 256, 257, 640}) {
      const NeuronRows rows{.neurons = 71, .width = width, .order = order};
      EXPECT_EQ(rows.row_bytes(), (width + 255) / 256 * 64);
      const std::vector<int8_t> trits = random_trits(rows.neurons * width);
      std::vector<uint8_t> by_row = empty(rows), by_column = empty(rows);
      pack_neuron_rows(rows, trits, by_row);
      pack_neuron_columns(rows, trits, by_column);
      for (int64_t neuron = 0; neuron < rows.neurons; ++neuron) {
        for (int64_t column = 0; column < rows.padded_width(); ++column) {
          const bool is_pad = column >= width;
          const int64_t at = neuron * rows.row_bytes();
          ASSERT_EQ(neuron_weight(order, by_row.data() + at, column),
                    is_pad ? 0 : trits[static_cast<size_t>(neuron * width + column)]);
          ASSERT_EQ(neuron_weight(order, by_column.data() + at, column),
                    is_pad ? 0 : trits[static_cast<size_t>(column * rows.neurons + neuron)]);
        }
      }
      EXPECT_TRUE(check_neuron_rows(by_row).ok());
    }
  }
}

TEST(NeuronRows, CodesThatNoWeightHasAreFound) {
  for (const int plane : {0, 1, 2, 3}) {
    std::vector<uint8_t> bytes(320, kZeroNeuronWeights);
    bytes[77] = static_cast<uint8_t>(bytes[77] | 3 << (2 * plane));
    const Status status = check_neuron_rows(bytes);
    EXPECT_EQ(status.code(), StatusCode::kDataCorrupt);
    EXPECT_EQ(status.message(), "byte 77 holds a code of 3, expected 0..2");
  }
}

}  // namespace
}  // namespace bitnetc::test
