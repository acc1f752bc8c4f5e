// What a step of a program binds: the operands that its operation declares, less those that only
// linking or a tap brings in, with what the config says filled in.
#pragma once

#include <vector>

#include "codegen/kernel_spec.h"
#include "runtime/model_config.h"

namespace bitnetc {

// Of the operands of `spec` (codegen/operations) not the KV cache, which a step has by its layer,
// nor the optional ones: tables, which depend on the kernel, and the taps. A rotation's cosines and
// sines are made from the section of its frequencies (f64[head_dim / 2], radians per position). An
// embedding table has a row per id of the vocabulary.
std::vector<Operand> step_operands(const KernelSpec& spec, const ModelConfig& config);

}  // namespace bitnetc
