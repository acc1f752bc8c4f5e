// What NVRTC made of a kernel, as it lies in the kernel store: PTX, machine code and what the
// compiler counted, in one entry.
#pragma once

#include <cstdint>
#include <span>
#include <vector>

#include "codegen/cuda/nvrtc_compiler.h"
#include "runtime/status.h"

namespace bitnetc::cuda {

std::vector<uint8_t> pack_code(const CompiledCode& code);  // without the log
// Error: kDataCorrupt where `packed` is not what pack_code made.
Result<CompiledCode> unpack_code(std::span<const uint8_t> packed);

}  // namespace bitnetc::cuda
