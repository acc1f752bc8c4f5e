// Atomic operations on integers. Those on floats depend on an order that nobody fixes, and are
// refused.
#include "runtime/gpu/emulator/access.h"

namespace bitnetc::emulator {
namespace {

enum class Operation : uint32_t { kAdd, kMin, kMax, kAnd, kOr, kXor, kExchange, kCompare };
constexpr std::pair<std::string_view, Operation> kOperations[] = {
    {"add", Operation::kAdd},       {"min", Operation::kMin},    {"max", Operation::kMax},
    {"and", Operation::kAnd},       {"or", Operation::kOr},      {"xor", Operation::kXor},
    {"exch", Operation::kExchange}, {"cas", Operation::kCompare}};

template <typename T>
T combined(Operation operation, T old, T a, T b) {
  using Bits = std::make_unsigned_t<T>;
  switch (operation) {
    case Operation::kAdd: return static_cast<T>(static_cast<Bits>(old) + static_cast<Bits>(a));
    case Operation::kMin: return std::min(old, a);
    case Operation::kMax: return std::max(old, a);
    case Operation::kAnd: return static_cast<T>(old & a);
    case Operation::kOr: return static_cast<T>(old | a);
    case Operation::kXor: return static_cast<T>(old ^ a);
    case Operation::kExchange: return a;
    case Operation::kCompare: return old == a ? b : old;
  }
  return old;
}

// Lane after lane.
template <typename T>
void update(Warp& warp, const Instruction& i, Mask mask) {
  const Access access(warp, i, mask, sizeof(T), Access::Kind::kAtomic);
  if (!access.ok()) return;
  const auto operation = static_cast<Operation>(i.detail);
  for (int lane = 0; lane < kLanes; ++lane) {
    if ((mask >> lane & 1) == 0) continue;
    T old;
    std::memcpy(&old, access.at(lane), sizeof old);
    const T b = i.source_count > 2 ? value_of<T>(warp.source(i, 2)[lane]) : T{};
    const T fresh = combined(operation, old, value_of<T>(warp.source(i, 1)[lane]), b);
    std::memcpy(access.at(lane), &fresh, sizeof fresh);
    if (i.destination_count > 0) warp.destination(i, 0)[lane] = bits_of(old);
  }
}

}  // namespace

Result<Decoded> decode_atomic(Instruction& instruction, const Parts& parts) {
  if (parts[0] != "atom" && parts[0] != "red") return Decoded::kNotOfThisGroup;
  if (is_float(instruction.type))
    return not_emulated("atomic operations on floats depend on the order of threads");
  if (!only_has(parts, {"global", "shared", "relaxed", "acquire", "release", "acq_rel", "gpu",
                        "cta", "sys", "add", "min", "max", "and", "or", "xor", "exch", "cas"}))
    return not_emulated();
  const auto operation = std::ranges::find_if(
      kOperations, [&](const auto& each) { return has_part(parts, each.first); });
  if (operation == std::end(kOperations)) return not_emulated();
  const int operands = operation->second == Operation::kCompare ? 3 : 2;
  if (instruction.source_count != operands) return not_emulated();
  instruction.detail = static_cast<uint32_t>(operation->second);
  instruction.space = space_of_access(parts);
  instruction.handler = for_integer(instruction.type, []<typename T>() -> Handler {
    if constexpr (sizeof(T) >= 4)
      return update<T>;
    else
      return nullptr;
  });
  instruction.flow = Flow::kYield;
  return instruction.handler != nullptr ? Result(Decoded::kYes) : not_emulated();
}

}  // namespace bitnetc::emulator
