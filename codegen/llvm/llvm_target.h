// What a target means to LLVM. Known without loading it: the names are those of the LLVM that this
// build was made with.
#pragma once

#include <string>

#include "codegen/llvm/module_interface.h"
#include "runtime/status.h"
#include "runtime/target.h"

namespace bitnetc {

LlvmTier llvm_tier(const Target& target);

// Whether kernels for `target` are worth making and may run on this machine, with the reason if
// not. Whether LLVM can be loaded is not asked.
Status llvm_accepts(const Target& target);

// What code for `target` depends on beside the kernel: "x86_64-pc-linux-gnu x86-64 +avx2,... 256
// bits". The same for targets that get the same code.
std::string llvm_target_text(const Target& target);
std::string llvm_toolchain();  // "LLVM 19.1.7"

}  // namespace bitnetc
