// Reads PTX into what the emulator runs.
#pragma once

#include <string>
#include <string_view>

#include "runtime/gpu/emulator/ptx_code.h"
#include "runtime/status.h"

namespace bitnetc::emulator {

// The entry function `entry` of `text`. Everything in it is known and exactly rounded.
// Error: kUnsupported naming the line and the instruction: unknown, not emulated in this form, or
// not exact; kNotFound where there is no such function.
Result<PtxFunction> parse_ptx(std::string_view text, std::string_view entry);

// Fills in what an instruction of this name does, whose operands are there. `parts`: "add", "rn",
// "f32". Error: as parse_ptx, without the line.
Status decode(Instruction& instruction, const std::vector<std::string_view>& parts);

}  // namespace bitnetc::emulator
