// The generators that go through LLVM: the norm steps, which need no hand-scheduled instructions.
// One builds code for every tier (Target -> target features of the function), so their kernels end
// in "llvm" whatever the tier. Their code is kept on disk (runtime/kernel_store.h); what comes from
// there needs no LLVM. What does need it is opened then (codegen/llvm/module_loader.h). Present
// only in builds with LLVM; kernels.inc lists them.
#pragma once

#include <memory>

#include "codegen/kernel_builder.h"

namespace bitnetc {

std::unique_ptr<Generator> make_llvm_norm_quantize();
std::unique_ptr<Generator> make_llvm_rms_norm();

}  // namespace bitnetc
