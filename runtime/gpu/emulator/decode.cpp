#include "runtime/gpu/emulator/instructions.h"
#include "runtime/gpu/emulator/ptx_parser.h"

namespace bitnetc::emulator {
namespace {

// Instructions that say when something happens, of which nothing can be seen here: memory is
// written in order, and what a prefetch or another kernel's launch saves is time.
bool has_no_effect(const Parts& parts) {
  const std::string_view name = parts[0];
  if (name == "membar") return only_has(parts, {"cta", "gl", "sys"});
  if (name == "fence") return only_has(parts, {"sc", "acq_rel", "cta", "gpu", "sys"});
  if (name == "prefetch") return only_has(parts, {"global", "L1", "L2"});
  if (name == "griddepcontrol") return only_has(parts, {"launch_dependents", "wait"});
  return name == "nanosleep" && only_has(parts, {});
}

// How many results and operands an instruction has; those that are not here check it themselves.
struct Operands {
  std::string_view name;
  int results, sources;
};
constexpr Operands kOperands[] = {
    {"add", 1, 2},  {"sub", 1, 2},  {"mul", 1, 2},   {"div", 1, 2},      {"rem", 1, 2},
    {"min", 1, 2},  {"max", 1, 2},  {"and", 1, 2},   {"or", 1, 2},       {"xor", 1, 2},
    {"shl", 1, 2},  {"shr", 1, 2},  {"neg", 1, 1},   {"abs", 1, 1},      {"not", 1, 1},
    {"popc", 1, 1}, {"clz", 1, 1},  {"brev", 1, 1},  {"cvt", 1, 1},      {"cvta", 1, 1},
    {"rcp", 1, 1},  {"sqrt", 1, 1}, {"mad", 1, 3},   {"fma", 1, 3},      {"dp4a", 1, 3},
    {"selp", 1, 3}, {"prmt", 1, 3}, {"shf", 1, 3},   {"bfe", 1, 3},      {"bfi", 1, 4},
    {"lop3", 1, 4}, {"vote", 1, 2}, {"redux", 1, 2}, {"isspacep", 1, 1}, {"activemask", 1, 0},
    {"ret", 0, 0},  {"exit", 0, 0}, {"trap", 0, 0},  {"prefetch", 0, 1}};

bool has_its_operands(const Instruction& instruction, std::string_view name) {
  const int results = instruction.destination_count, sources = instruction.source_count;
  if (name == "mov") return results >= 1 && sources >= 1 && (results == 1 || sources == 1);
  if (name == "atom") return results == 1;
  if (name == "shfl" || name == "setp") return results >= 1 && results <= 2;
  const auto at = std::ranges::find(kOperands, name, &Operands::name);
  return at == std::end(kOperands) || (results == at->results && sources == at->sources);
}

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
  } else if (has_no_effect(parts)) {
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
  if (!has_its_operands(instruction, parts[0])) return not_emulated("expected other operands");
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
