// The seam between the generators, which are ordinary C++, and what includes LLVM and is therefore
// compiled without RTTI, as LLVM is. Nothing with a vtable crosses it, not even inside a
// std::shared_ptr: checkers such as UBSan's look for the type information that is missing on the
// other side.
#pragma once

#include <cstdint>
#include <span>
#include <string>

#include "codegen/kernel_builder.h"

namespace bitnetc {

// Whether kernels for `target` are worth making and may run on this machine, with the reason if
// not.
Status llvm_accepts(const Target& target);

// What code for `target` depends on beside the kernel: "x86_64-pc-linux-gnu x86-64 +avx2,... 256
// bits". The same for targets that get the same code.
std::string llvm_target_text(const Target& target);
std::string llvm_toolchain();  // "LLVM 19.1.7"

struct LlvmCode {
  Kernel::Entry entry = nullptr;
  void* code = nullptr;  // for release_llvm_code, once, when nothing can call `entry` any more
  std::span<const uint8_t> block;         // the whole of it: instructions and constants
  std::span<const uint8_t> instructions;  // within `block`
  bool position_independent = false;      // `block` may be copied and run elsewhere
};

// Error: what LLVM or the executable memory said, with the kernel's name.
Result<LlvmCode> build_llvm_norm_quantize(const KernelRequest& request,
                                          const std::string& kernel_name,
                                          const BuildSettings& settings);
Result<LlvmCode> build_llvm_rms_norm(const KernelRequest& request, const std::string& kernel_name,
                                     const BuildSettings& settings);

// Any thread may call.
void release_llvm_code(void* code);

}  // namespace bitnetc
