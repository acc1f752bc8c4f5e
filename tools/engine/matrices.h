// The ternary matrices of a model as people ask about them: by role, not by layer.
#pragma once

#include <string>
#include <vector>

#include "codegen/kernel_spec.h"
#include "runtime/executable.h"
#include "runtime/program.h"

namespace bitnetc {

// The matrices of one role that share shape and layout.
struct MatrixGroup {
  std::string role;  // "gate_up_proj"
  MatmulSpec spec;
  int count = 0;
};
// "layers.7.gate_up_proj" -> "gate_up_proj"
std::string matrix_role(const std::string& step_name);
std::vector<MatrixGroup> matrix_groups(const Program& program);

// What runs: layout, bits per weight and the kernels by number of tokens, for every role. Lines of
// text.
std::string matmul_table(const Executable& executable);

}  // namespace bitnetc
