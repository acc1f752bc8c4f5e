// A kernel that LLVM made, in executable memory and as it lies in the kernel store: the linked
// block, which runs wherever it is copied to, and where in it the instructions and the entry are.
// Loading it needs no LLVM.
#pragma once

#include <cstdint>
#include <memory>
#include <span>
#include <vector>

#include "runtime/exec_memory.h"
#include "runtime/kernel.h"
#include "runtime/status.h"

namespace bitnetc {

struct LlvmCode {
  std::shared_ptr<const ExecMemory> memory;  // of what follows
  Kernel::Entry entry = nullptr;
  std::span<const uint8_t> block;         // the whole of it: instructions and constants
  std::span<const uint8_t> instructions;  // within `block`
  bool position_independent = false;      // `block` may be copied and run elsewhere
};

// Where parts of a block are, in bytes from its beginning.
struct CodeOffsets {
  size_t block_bytes = 0;
  size_t entry = 0;
  size_t instructions = 0, instruction_bytes = 0;
};
// A published block and what is in it; position_independent is not set.
LlvmCode code_in(std::shared_ptr<const ExecMemory> memory, const CodeOffsets& offsets);

// `code` must be position_independent.
std::vector<uint8_t> pack_code(const LlvmCode& code);
// Error: kDataCorrupt where `packed` is not what pack_code made; what executable memory said.
Result<LlvmCode> load_code(std::span<const uint8_t> packed);

}  // namespace bitnetc
