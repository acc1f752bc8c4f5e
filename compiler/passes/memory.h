// Gives every fused value a buffer. Values that are never alive together share one; a matmul with a
// residual writes over it when nothing reads the residual afterwards.
#pragma once

#include <vector>

#include "compiler/passes/fuse.h"

namespace bitnetc {

// The buffers that hold one fused value. A quantised value has three: codes, their scale and their
// sum.
struct ValueBuffers {
  int values = -1;           // f32, or i8 codes
  int scale = -1, sum = -1;  // -1: the value is not quantised
};

struct MemoryPlan {
  std::vector<BufferInfo> buffers;
  std::vector<ValueBuffers> of_value;  // by fused value
  int row_absmax = -1;                 // one f32 per row and worker; -1: no step leaves any
  int scores = -1;                     // scratch of attention, which link() widens; -1: none
};

MemoryPlan plan_memory(const FusedGraph& graph);

}  // namespace bitnetc
