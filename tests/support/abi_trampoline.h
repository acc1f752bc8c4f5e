// Calls a kernel the way a suspicious caller would: with a known value in every register the System
// V x86-64 ABI says must survive, and a look at all of them afterwards. One call at a time in a
// process.
#pragma once

#include <string>

#include "runtime/kernel.h"
#include "runtime/kernel_args.h"

namespace bitnetc::test {

// Runs `entry(args, context)`. Returns what the call broke, one clause each ("rbx changed; MXCSR
// changed"), or an empty string. Checks rbx, rbp, r12-r15, rsp, the direction flag and MXCSR.
std::string call_and_check_abi(Kernel::Entry entry, const void* args, const void* context);

}  // namespace bitnetc::test
