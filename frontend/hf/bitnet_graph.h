// The graph of the BitNet-b1.58-2B-4T family, from its configuration and its tensors.
#pragma once

#include "compiler/graph.h"
#include "frontend/hf/hf_config.h"
#include "frontend/load.h"
#include "frontend/safetensors/safetensors_model.h"
#include "runtime/status.h"

namespace bitnetc {

// Fills nodes, values, tables, vectors and ternary sources of `graph`; the sources keep `tensors`' files
// mapped. Every tensor is checked against the configuration; those left over become notes.
// Error: kNotFound for a missing tensor, kDataCorrupt for a shape, type or value, naming the tensor.
Status build_bitnet_graph(const HfConfig& config, const SafetensorsModel& tensors, Graph* graph,
                          LoadReport* report);

}  // namespace bitnetc
