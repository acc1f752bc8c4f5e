// What passes of one row do with fewer barriers.
//
// A row's norm and quantisation take less time than a barrier between them and the matmul that
// reads the result: so each worker does them for itself, into a copy of its own, and goes on. And a
// kv head is rotated, and attends, as soon as the qkv matmul has its tiles
// (runtime/steps/early_heads.h).
#pragma once

#include <vector>

#include "codegen/kernel_spec.h"
#include "runtime/program.h"

namespace bitnetc {

struct OneRowPass {
  std::vector<bool> done_by_each;     // by Program::steps: every worker does the step
  std::vector<bool> written_by_each;  // by Program::buffers: by those steps, and by no others
  std::vector<bool> has_early_heads;  // by Program::steps: a matmul, its rotation, its attention
};

// Done by each are quantisations, with or without a norm, where all that reads them takes a
// worker's own copy, and where no step before the next barrier writes what they read: a slow worker
// may still be reading it. Early heads are those whose attention and rotation write nothing that
// the matmul, or a step done by each before it, reads. `program` has passed check_program(),
// `config` is its model's.
OneRowPass plan_one_row_pass(const Program& program, const ModelConfig& config);

}  // namespace bitnetc
