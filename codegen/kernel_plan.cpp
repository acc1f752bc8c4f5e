#include "codegen/kernel_plan.h"

#include <fmt/format.h>

#include <charconv>

namespace bitnetc {

std::string plan_name(const KernelPlan& plan) {
  return fmt::format("t{}u{}p{}", plan.tiles_per_step, plan.k_unroll, plan.prefetch_bytes);
}

Result<KernelPlan> parse_plan(std::string_view name) {
  KernelPlan plan;
  const char* at = name.data();
  const char* const end = at + name.size();
  const std::pair<char, int*> fields[] = {
      {'t', &plan.tiles_per_step}, {'u', &plan.k_unroll}, {'p', &plan.prefetch_bytes}};
  for (const auto& [letter, field] : fields) {
    if (at == end || *at != letter) break;
    const auto [stop, error] = std::from_chars(at + 1, end, *field);
    if (error != std::errc()) break;
    at = stop;
  }
  if (at != end || plan_name(plan) != name) {
    return make_error(StatusCode::kInvalidArgument, "kernel plan '{}': expected the form {}", name,
                      plan_name(KernelPlan()));
  }
  return plan;
}

}  // namespace bitnetc
