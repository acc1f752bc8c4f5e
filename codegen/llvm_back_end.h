// The LLVM back-end as a whole. What includes LLVM is a shared object of its own, which is opened
// when the first kernel is generated with it: never, where the kernel store has them all.
#pragma once

#include <string>

#include "runtime/status.h"

namespace bitnetc {

// Opens the back-end where it is not open yet: "LLVM 19.1.7 in /usr/local/lib/bitnetc/...".
// Error: kUnsupported where this build has none; kNotFound or kUnsupported naming the file, where
// it was looked for and what is wrong with it.
Result<std::string> open_llvm_back_end();

// Whether every kernel that LLVM was asked for could be: ok also where it never was. Error: as
// open_llvm_back_end().
Status llvm_back_end_status();

}  // namespace bitnetc
