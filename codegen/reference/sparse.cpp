#include <algorithm>

#include "codegen/reference/reference.h"

namespace bitnetc::reference {

void sparse_up(const SparseUpSpec& spec, const SparseUpArgs& args) {
  const NeuronRows rows = spec.weights();
  int32_t neurons_read = 0;
  for (int64_t n = args.tile_begin * kTileRows; n < args.tile_end * kTileRows; ++n) {
    const float gate = args.gate[n];
    args.y[n] = 0;
    if (!(gate > 0)) continue;
    ++neurons_read;
    const uint8_t* row = args.w + n * rows.row_bytes();
    int32_t sum = 0;
    for (int64_t k = 0; k < spec.k; ++k) sum += args.x[k] * neuron_weight(rows.order, row, k);
    const float up = static_cast<float>(sum) * (args.x_scale[0] * args.tile_scale[n / kTileRows]);
    args.y[n] = gate * gate * up;
  }
  if (args.neurons_read != nullptr) *args.neurons_read = neurons_read;
}

void sparse_down(const SparseDownSpec& spec, const SparseDownArgs& args) {
  const NeuronRows rows = spec.weights();
  const int64_t end = std::min(spec.n, args.chunk_end * kNeuronBlock);
  for (int64_t n = args.chunk_begin * kNeuronBlock; n < end; ++n) {
    int32_t sum = 0;
    for (int64_t k = 0; k < spec.k; ++k)
      sum += args.x[k] * neuron_weight(rows.order, args.w + k * rows.row_bytes(), n);
    const float value =
        static_cast<float>(sum) * (args.x_scale[0] * args.tile_scale[n / kTileRows]);
    args.y[n] = spec.residual ? args.residual[n] + value : value;
  }
  if (args.neurons_read != nullptr)
    *args.neurons_read = static_cast<int32_t>(
        std::count_if(args.x, args.x + spec.k, [](int8_t q) { return q != 0; }));
}

}  // namespace bitnetc::reference
