// What the program and its LLVM module say to each other. The module (codegen/llvm/module/) is a
// shared object of its own, which holds all that includes LLVM, so that a program that generates
// nothing with LLVM does not load it (docs/decisions/0030-llvm-is-opened-when-it-is-needed.md).
//
// Both sides are made by one build: plain values cross the border, and nothing with a vtable, since
// the module is compiled without RTTI, as LLVM is. The module makes a kernel and forgets it; the
// code lies in memory of the program.
#pragma once

#include <cstddef>
#include <string>

#include "codegen/kernel_spec.h"
#include "runtime/exec_memory.h"
#include "runtime/status.h"

namespace bitnetc {

// What one tier means to LLVM. Features are named one by one, not through a CPU name: a tier
// promises exactly these, and machines exist that have AVX2 but hide the rest of x86-64-v3.
struct LlvmTier {
  const char* cpu;
  const char* tune_cpu;
  const char* features;
  const char* vector_bits;
};

// Where the code of one kernel goes. The program owns the memory.
struct LlvmCodeSink {
  void* owner = nullptr;  // first argument of both
  // A block of `size_bytes`. Error: as ExecMemory::allocate().
  Status (*allocate)(void* owner, size_t size_bytes, CodeSpan& block) = nullptr;
  // Nothing will be written any more.
  void (*publish)(void* owner) = nullptr;
};

struct LlvmRequest {
  const KernelSpec& spec;  // of an operation the module has
  const std::string& kernel_name;
  LlvmTier tier;
  bool wants_assembly = false;
  LlvmCodeSink sink;
};

// Offsets are from the beginning of the block.
struct LlvmResult {
  size_t block_bytes = 0;  // of instructions and constants
  size_t entry = 0;
  size_t instructions = 0, instruction_bytes = 0;
  bool position_independent = false;  // runs wherever the block is copied to, 64-byte aligned
  std::string assembly;               // the IR; empty unless wanted
};

// The one name that the module exports.
struct LlvmModule {
  const char* made_by;  // kLlvmModuleMaker of its build (module_maker.h)
  // Any thread may call, several at once.
  // Error: what LLVM or the sink said, with the kernel's name.
  Status (*build)(const LlvmRequest& request, LlvmResult& result);
};
inline constexpr char kLlvmModuleSymbol[] = "bitnetc_llvm_module";

}  // namespace bitnetc
