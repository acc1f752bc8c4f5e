// What a module is known by. Values cross the border as one compiler lays them out, so only the
// build that made the program can have made its module.
#pragma once

namespace bitnetc {

inline constexpr char kLlvmModuleMaker[] =
    "bitnetc " BITNETC_VERSION " with LLVM " BITNETC_LLVM_VERSION ", compiled by " __VERSION__;

}  // namespace bitnetc
