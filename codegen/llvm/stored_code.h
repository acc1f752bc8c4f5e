// A kernel that LLVM made, as it lies in the kernel store: the linked block, which runs wherever it
// is copied to, and where in it the instructions and the entry are. Loading it needs no LLVM.
#pragma once

#include <cstdint>
#include <span>
#include <vector>

#include "codegen/llvm/llvm_kernels.h"
#include "runtime/exec_memory.h"

namespace bitnetc {

// `code` must be position_independent.
std::vector<uint8_t> pack_code(const LlvmCode& code);

struct LoadedCode {
  std::shared_ptr<const ExecMemory> memory;
  Kernel::Entry entry = nullptr;
  std::span<const uint8_t> instructions;
};
// Error: kDataCorrupt where `packed` is not what pack_code made; what executable memory said.
Result<LoadedCode> load_code(std::span<const uint8_t> packed);

}  // namespace bitnetc
