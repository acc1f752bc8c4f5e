// The values of a compiled model: that every float is finite and every packed code stands for
// trits.
#include <bit>
#include <cmath>
#include <cstring>
#include <set>

#include "codegen/kernel_spec.h"
#include "compiler/check_program.h"
#include "compiler/passes/bindings.h"

namespace bitnetc {
namespace {

// The first element that is infinite or NaN, which has all exponent bits set; -1: none. The inner
// loop has no branch, so that the compiler checks a vector at once.
template <typename Bits>
int64_t first_not_finite(std::span<const uint8_t> bytes, Bits exponent) {
  constexpr size_t kBlock = 4096;
  const auto* values = reinterpret_cast<const Bits*>(bytes.data());
  const size_t count = bytes.size() / sizeof(Bits);
  for (size_t begin = 0; begin < count; begin += kBlock) {
    const size_t end = std::min(begin + kBlock, count);
    Bits found = 0;
    for (size_t i = begin; i < end; ++i)
      found = static_cast<Bits>(found | ((values[i] & exponent) == exponent ? 1 : 0));
    if (found == 0) continue;
    for (size_t i = begin; i < end; ++i)
      if ((values[i] & exponent) == exponent) return static_cast<int64_t>(i);
  }
  return -1;
}

int64_t first_not_finite(std::span<const uint8_t> bytes, ElementType type) {
  switch (type) {
    case ElementType::kF64: return first_not_finite<uint64_t>(bytes, 0x7ff0000000000000);
    case ElementType::kF32: return first_not_finite<uint32_t>(bytes, 0x7f800000);
    case ElementType::kF16: return first_not_finite<uint16_t>(bytes, 0x7c00);
    case ElementType::kBf16: return first_not_finite<uint16_t>(bytes, 0x7f80);
    default: return -1;
  }
}

Status check_step_values(const CompiledModel& model, const Step& step,
                         std::set<std::string>& seen) {
  const BncReader& file = model.file();
  BITNETC_ASSIGN_OR_RETURN(const KernelSpec spec, parse_spec(step.kernel));
  for (const Operand& operand : step_operands(spec, model.description().config)) {
    if (operand.role != Role::kWeight) continue;
    const std::string& section = step.operand(operand.name)->section;
    if (!seen.insert(section).second) continue;
    BITNETC_ASSIGN_OR_RETURN(const auto bytes, file.section(section));
    if (operand.type == ElementType::kU8) {
      const Status codes = check_packed(std::get<MatmulSpec>(spec).weight_layout(), bytes);
      if (!codes.ok())
        return make_error(StatusCode::kDataCorrupt, "{}: section {}: {}", file.origin(), section,
                          codes.message());
    } else if (const int64_t at = first_not_finite(bytes, operand.type); at >= 0) {
      return make_error(StatusCode::kDataCorrupt, "{}: section {}: element {} is not a finite {}",
                        file.origin(), section, at, element_type_name(operand.type));
    }
  }
  return {};
}

}  // namespace

Status check_values(const CompiledModel& model) {
  std::set<std::string> seen;  // a tied table serves two steps
  for (const Step& step : model.description().program.steps)
    BITNETC_RETURN_IF_ERROR(check_step_values(model, step, seen));
  return {};
}

}  // namespace bitnetc
