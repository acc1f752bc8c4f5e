// How a kernel computes: all that a tuner may change without changing a bit of the result. Every
// field has a name in the kernel's full name, so a plan can be read off a log line.
#pragma once

#include <compare>
#include <span>
#include <string>
#include <string_view>

#include "runtime/status.h"

namespace bitnetc {

struct KernelPlan {
  int tiles_per_step = 1;  // row tiles (of kTileRows) carried through one pass over K
  int k_unroll = 4;        // cells of 16 columns, or groups of 4 of a panel, per loop iteration
  int prefetch_bytes = 0;  // software prefetch distance into the weight stream; 0: none
  // Matmuls for any number of tokens only; 0: the generator's own choice.
  int block_k = 0;  // columns decoded into a panel at a time
  int tokens = 0;   // tokens carried through one pass over a panel

  auto operator<=>(const KernelPlan&) const = default;
};

// The values of each field of a plan that are worth trying, ascending. None: the code does not
// depend on the field.
struct PlanGrid {
  std::span<const int> tiles_per_step, k_unroll, prefetch_bytes, block_k, tokens;
};
// One field of both, for loops over fields.
struct PlanField {
  int KernelPlan::* value;
  std::span<const int> PlanGrid::* worth_trying;
};
inline constexpr PlanField kPlanFields[] = {
    {&KernelPlan::tiles_per_step, &PlanGrid::tiles_per_step},
    {&KernelPlan::k_unroll, &PlanGrid::k_unroll},
    {&KernelPlan::prefetch_bytes, &PlanGrid::prefetch_bytes},
    {&KernelPlan::block_k, &PlanGrid::block_k},
    {&KernelPlan::tokens, &PlanGrid::tokens}};

// "t1u4p0"; "t4u1p0k512m6" with the fields that are not 0
std::string plan_name(const KernelPlan& plan);
// Error: kInvalidArgument naming the text and the form that was expected.
Result<KernelPlan> parse_plan(std::string_view name);

}  // namespace bitnetc
