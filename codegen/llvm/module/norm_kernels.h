// The programs of this module: each writes the IR of one kernel into an empty function.
#pragma once

#include "codegen/kernel_spec.h"
#include "codegen/llvm/module/orc_jit.h"

namespace bitnetc {

void emit_norm_quantize(llvm::Function& function, const NormQuantizeSpec& spec);
void emit_rms_norm(llvm::Function& function, const RmsNormSpec& spec);

}  // namespace bitnetc
