// Which steps every worker does for itself in passes of one row. A row's norm and quantisation take
// less time than a barrier between them and the matmul that reads the result: so each worker makes
// a copy of the result of its own, and goes on.
#pragma once

#include <vector>

#include "codegen/kernel_spec.h"
#include "runtime/program.h"

namespace bitnetc {

struct DoneByEach {
  std::vector<bool> steps;    // by Program::steps
  std::vector<bool> buffers;  // by Program::buffers: what those steps write, and no others
};

// Quantisations, with or without a norm, where all that reads them takes a worker's own copy, and
// where no step before the next barrier writes what they read: a slow worker may still be reading
// it. `program` has passed check_program(), `config` is its model's.
DoneByEach find_done_by_each(const Program& program, const ModelConfig& config);

}  // namespace bitnetc
