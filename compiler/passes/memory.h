// Gives every fused value a buffer. Values that are never alive together share one; a matmul with a
// residual writes over it when nothing reads the residual afterwards.
#pragma once

#include <vector>

#include "compiler/passes/fuse.h"

namespace bitnetc {

struct MemoryPlan {
  std::vector<BufferInfo> buffers;
  std::vector<int> buffer_of_value;
};

MemoryPlan plan_memory(const FusedGraph& graph);

}  // namespace bitnetc
