// Calls a kernel as call_and_check_abi() does, and survives its crash.
#pragma once

#include <string>

#include "runtime/kernel.h"
#include "runtime/kernel_args.h"

namespace bitnetc::test {

// `args`: the struct of the kernel's operation. Returns what the call broke ("rbx changed", "raised
// Segmentation fault"), after the kernel's name, or an empty string.
std::string call_kernel(const Kernel& kernel, const void* args);

}  // namespace bitnetc::test
