#include "codegen/kernel_plan.h"

#include <fmt/format.h>

#include <charconv>

namespace bitnetc {

std::string plan_name(const KernelPlan& plan) {
  std::string name =
      fmt::format("t{}u{}p{}", plan.tiles_per_step, plan.k_unroll, plan.prefetch_bytes);
  if (plan.block_k != 0) name += fmt::format("k{}", plan.block_k);
  if (plan.tokens != 0) name += fmt::format("m{}", plan.tokens);
  return name;
}

Result<KernelPlan> parse_plan(std::string_view name) {
  KernelPlan plan;
  const char* at = name.data();
  const char* const end = at + name.size();
  const std::pair<char, int*> fields[] = {{'t', &plan.tiles_per_step},
                                          {'u', &plan.k_unroll},
                                          {'p', &plan.prefetch_bytes},
                                          {'k', &plan.block_k},
                                          {'m', &plan.tokens}};
  for (const auto& [letter, field] : fields) {
    if (at == end || *at != letter) continue;
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
