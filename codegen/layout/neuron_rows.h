// How the weights of FFN neurons are stored so that a neuron can be skipped: every neuron's two-bit
// codes lie in one run of whole cache lines (docs/layouts/neuron_rows.md).
//
//   row         the codes of one neuron; rows follow each other
//   block        256 columns of a row, 64 bytes
//   byte b      of a block, bits 2p+1..2p: w + 1 of the column that `order` gives b and p
//
// Columns beyond the matrix hold code 1, weight 0.
#pragma once

#include <cstdint>
#include <span>

#include "runtime/status.h"

namespace bitnetc {

inline constexpr int64_t kNeuronBlock = 256;  // columns
inline constexpr int64_t kNeuronBlockBytes = 64;
// A byte whose four codes all say weight 0.
inline constexpr uint8_t kZeroNeuronWeights = 0b01010101;

enum class NeuronOrder {
  kPlanes,  // column 64p + b: a plane meets 64 neighbouring activations
  kTiles,   // column 16 (b / 4) + 4p + b % 4: four bytes are a tile of outputs
};

// `neurons` rows of `width` columns.
struct NeuronRows {
  int64_t neurons = 0, width = 0;
  NeuronOrder order = NeuronOrder::kPlanes;

  int64_t padded_width() const;
  int64_t row_bytes() const;
  int64_t total_bytes() const { return neurons * row_bytes(); }
};

// Where the code of a column is.
struct NeuronCode {
  int64_t byte = 0;  // of the row
  int shift = 0;     // of the bits
};
NeuronCode neuron_code(NeuronOrder order, int64_t column);

// Packs a ternary matrix of which a neuron is a row, or of which it is a column.
//   trits  i8[neurons][width], or i8[width][neurons]; each -1, 0 or +1
//   out    at least rows.total_bytes() bytes of kZeroNeuronWeights
void pack_neuron_rows(const NeuronRows& rows, std::span<const int8_t> trits,
                      std::span<uint8_t> out);
void pack_neuron_columns(const NeuronRows& rows, std::span<const int8_t> trits,
                         std::span<uint8_t> out);

// The weight of a column of the row at `row`.
int8_t neuron_weight(NeuronOrder order, const uint8_t* row, int64_t column);

// Error: kDataCorrupt naming the first byte with a code of 3, which no weight has.
Status check_neuron_rows(std::span<const uint8_t> packed);

}  // namespace bitnetc
