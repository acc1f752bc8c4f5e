#include "runtime/gpu/emulator/instructions.h"
#include "runtime/gpu/emulator/ptx_parser.h"

namespace bitnetc::emulator {
namespace {

// Instructions that say when something happens, of which nothing can be seen here: memory is
// written in order, and what a prefetch or another kernel's launch saves is time.
constexpr std::string_view kNoEffect[] = {"membar", "fence", "prefetch", "griddepcontrol",
                                          "nanosleep"};

void do_nothing(Warp&, const Instruction&, Mask) {}

void trap(Warp& warp, const Instruction& instruction, Mask mask) {
  warp.fail(instruction, std::countr_zero(mask), "the kernel gave up (trap)");
}

Result<Decoded> decode_flow(Instruction& instruction, const Parts& parts) {
  const std::string_view name = parts[0];
  if (name == "bra") {
    instruction.flow = Flow::kBranch;
  } else if (name == "ret" || name == "exit") {
    instruction.flow = Flow::kExit;
  } else if ((name == "bar" || name == "barrier") && !has_part(parts, "warp")) {
    if (!has_part(parts, "sync") || instruction.source_count != 1)
      return not_emulated("only a barrier of the whole block is emulated");
    instruction.flow = Flow::kBarrier;
  } else if (name == "trap") {
    instruction.handler = trap;
  } else if (std::ranges::find(kNoEffect, name) != std::end(kNoEffect)) {
    instruction.handler = do_nothing;
  } else if (name == "bar" && has_part(parts, "warp")) {
    instruction.handler = do_nothing;
    instruction.flow = Flow::kTogether;
  } else {
    return Decoded::kNotOfThisGroup;
  }
  return Decoded::kYes;
}

}  // namespace

bool only_has(const Parts& parts, std::initializer_list<std::string_view> known) {
  return std::all_of(parts.begin() + 1, parts.end(), [&](std::string_view part) {
    return ptx_type(part) != PtxType::kNone || std::ranges::find(known, part) != known.end();
  });
}

Status decode(Instruction& instruction, const std::vector<std::string_view>& parts) {
  for (const std::string_view inexact : {"ftz", "approx", "full"})
    if (has_part(parts, inexact))
      return not_emulated(fmt::format(".{} is not exactly rounded", inexact));
  // The first type is the result's; the second, of what is converted.
  for (const std::string_view part : parts) {
    const PtxType type = ptx_type(part);
    if (type == PtxType::kNone) continue;
    if (instruction.type == PtxType::kNone)
      instruction.type = type;
    else if (instruction.from == PtxType::kNone)
      instruction.from = type;
  }
  for (const auto group : {decode_flow, decode_integer, decode_float, decode_conversion,
                           decode_memory, decode_atomic, decode_warp}) {
    BITNETC_ASSIGN_OR_RETURN(const Decoded decoded, group(instruction, parts));
    if (decoded == Decoded::kYes) return {};
  }
  return not_emulated("an instruction that is not emulated");
}

}  // namespace bitnetc::emulator
