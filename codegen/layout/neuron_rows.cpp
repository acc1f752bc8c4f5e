#include "codegen/layout/neuron_rows.h"

#include <algorithm>
#include <vector>

#include "codegen/layout/i2_s.h"
#include "runtime/rounding.h"

namespace bitnetc {
namespace {

std::vector<NeuronCode> all_codes(const NeuronRows& rows) {
  std::vector<NeuronCode> codes;
  for (int64_t column = 0; column < rows.width; ++column)
    codes.push_back(neuron_code(rows.order, column));
  return codes;
}

// Turns the code of weight 0 into that of `weight`.
void add_weight(uint8_t* row, const NeuronCode& at, int8_t weight) {
  row[at.byte] = static_cast<uint8_t>(row[at.byte] + weight * (1 << at.shift));
}

}  // namespace

int64_t NeuronRows::padded_width() const {
  return round_up(width, kNeuronBlock);
}

int64_t NeuronRows::row_bytes() const {
  return padded_width() / kNeuronBlock * kNeuronBlockBytes;
}

NeuronCode neuron_code(NeuronOrder order, int64_t column) {
  const int64_t block = column / kNeuronBlock, within = column % kNeuronBlock;
  const int64_t first = block * kNeuronBlockBytes;
  if (order == NeuronOrder::kPlanes)
    return {.byte = first + within % kNeuronBlockBytes,
            .shift = static_cast<int>(2 * (within / kNeuronBlockBytes))};
  return {.byte = first + within / 16 * 4 + within % 4,
          .shift = static_cast<int>(2 * (within / 4 % 4))};
}

void pack_neuron_rows(const NeuronRows& rows, std::span<const int8_t> trits,
                      std::span<uint8_t> out) {
  const std::vector<NeuronCode> codes = all_codes(rows);
  for (int64_t neuron = 0; neuron < rows.neurons; ++neuron) {
    const int8_t* weights = trits.data() + neuron * rows.width;
    uint8_t* row = out.data() + neuron * rows.row_bytes();
    for (int64_t column = 0; column < rows.width; ++column)
      add_weight(row, codes[static_cast<size_t>(column)], weights[column]);
  }
}

void pack_neuron_columns(const NeuronRows& rows, std::span<const int8_t> trits,
                         std::span<uint8_t> out) {
  constexpr int64_t kNeuronsAtOnce = 64;  // rows that stay in the cache
  const std::vector<NeuronCode> codes = all_codes(rows);
  for (int64_t first = 0; first < rows.neurons; first += kNeuronsAtOnce) {
    const int64_t end = std::min(first + kNeuronsAtOnce, rows.neurons);
    for (int64_t column = 0; column < rows.width; ++column) {
      const int8_t* weights = trits.data() + column * rows.neurons;
      for (int64_t neuron = first; neuron < end; ++neuron)
        add_weight(out.data() + neuron * rows.row_bytes(), codes[static_cast<size_t>(column)],
                   weights[neuron]);
    }
  }
}

int8_t neuron_weight(NeuronOrder order, const uint8_t* row, int64_t column) {
  const auto [byte, shift] = neuron_code(order, column);
  return static_cast<int8_t>((row[byte] >> shift & 3) - 1);
}

Status check_neuron_rows(std::span<const uint8_t> packed) {
  if (i2s::all_valid(packed)) return {};
  const auto at = std::ranges::find_if(
      packed, [](uint8_t byte) { return (byte & byte >> 1 & kZeroNeuronWeights) != 0; });
  return make_error(StatusCode::kDataCorrupt, "byte {} holds a code of 3, expected 0..2",
                    at - packed.begin());
}

}  // namespace bitnetc
