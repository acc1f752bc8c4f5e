#include "compiler/passes/pack.h"

#include <algorithm>

namespace bitnetc {

Result<PackedMatmul> pack_matmul(const Graph& graph, const FusedOp& op) {
  const auto& spec = std::get<MatmulSpec>(op.spec);
  const WeightLayout whole = spec.weight_layout();
  PackedMatmul packed;
  packed.bytes.resize(static_cast<size_t>(whole.total_bytes()));
  packed.tile_scales.resize(static_cast<size_t>(whole.tiles()));

  // Where tile t of a part goes: first + t * stride.
  const auto parts = static_cast<int64_t>(op.weights.size());
  const int64_t stride = is_gated(spec.epilogue) ? parts : 1;
  int64_t first = 0;
  for (int weight : op.weights) {
    const TernarySource& source = graph.ternary[static_cast<size_t>(weight)];
    BITNETC_ASSIGN_OR_RETURN(const TernaryMatrix matrix,
                             load_with_one_scale(source, "has no kernel yet"));
    const int64_t tiles = WeightLayout{.id = spec.layout, .n = matrix.n, .k = matrix.k}.tiles();
    for (int64_t t = 0; t < tiles; ++t) {
      const int64_t row = t * kTileRows;
      const WeightLayout tile{
          .id = spec.layout, .n = std::min<int64_t>(kTileRows, matrix.n - row), .k = matrix.k};
      const auto slot = static_cast<size_t>(first + t * stride);
      const Status status = pack(
          tile,
          std::span(matrix.trits)
              .subspan(static_cast<size_t>(row * matrix.k), static_cast<size_t>(tile.n * matrix.k)),
          std::span(packed.bytes)
              .subspan(slot * static_cast<size_t>(whole.tile_bytes()),
                       static_cast<size_t>(whole.tile_bytes())));
      BITNETC_RETURN_IF_ERROR(
          status.with_context(fmt::format("{}, rows from {}", source.label(), row)));
      packed.tile_scales[slot] = matrix.scales.values[0];
    }
    packed.weights += matrix.n * matrix.k;
    first += stride == 1 ? tiles : 1;
  }
  return packed;
}

Result<PackedMatmul> pack_neurons(const Graph& graph, const FusedOp& op) {
  const TernarySource& source = graph.ternary[static_cast<size_t>(op.weights[0])];
  BITNETC_ASSIGN_OR_RETURN(const TernaryMatrix matrix,
                           load_with_one_scale(source, "has no kernel yet"));
  const auto* up = std::get_if<SparseUpSpec>(&op.spec);
  const NeuronRows whole =
      up != nullptr ? up->weights() : std::get<SparseDownSpec>(op.spec).weights();
  const int64_t tiles = up != nullptr ? up->tiles() : std::get<SparseDownSpec>(op.spec).tiles();
  NeuronRows given = whole;  // without the rows that fill a tile
  (up != nullptr ? given.neurons : given.width) = matrix.n;
  PackedMatmul packed;
  packed.bytes.assign(static_cast<size_t>(whole.total_bytes()), kZeroNeuronWeights);
  packed.tile_scales.assign(static_cast<size_t>(tiles), matrix.scales.values[0]);
  if (up != nullptr) {
    pack_neuron_rows(given, matrix.trits, packed.bytes);
  } else {
    pack_neuron_columns(given, matrix.trits, packed.bytes);
  }
  packed.weights = matrix.n * matrix.k;
  return packed;
}

}  // namespace bitnetc
