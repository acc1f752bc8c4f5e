// Fused weights in packed form: reads the ternary matrices of a fused matmul one at a time and puts
// their row tiles where the epilogue wants them (parts one after another, or gate and up
// alternating).
#pragma once

#include <cstdint>
#include <vector>

#include "compiler/graph.h"
#include "compiler/passes/fuse.h"

namespace bitnetc {

struct PackedMatmul {
  std::vector<uint8_t> bytes;      // layout.total_bytes()
  std::vector<float> tile_scales;  // one per row tile
  int64_t weights = 0;             // ternary weights, pads not counted
};

// `op` is a fused matmul of `graph`.
// Error: the source's; kDataCorrupt for a matrix that is not what its source says, kUnsupported for
// scales that no kernel has, naming the matrix.
Result<PackedMatmul> pack_matmul(const Graph& graph, const FusedOp& op);
// The same for a step that skips neurons.
Result<PackedMatmul> pack_neurons(const Graph& graph, const FusedOp& op);

}  // namespace bitnetc
