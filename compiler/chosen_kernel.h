// From what a PlanSource chose to the kernel that really runs: the choice may name a generator that
// cannot be had.
#pragma once

#include "codegen/kernel_builder.h"
#include "compiler/plan_source.h"

namespace bitnetc {

// A plan says nothing to generators other than the one it was chosen for: where that one is not to
// be had, the heuristics plan for the others. `any_m_plan`: chosen for any number of tokens. Error:
// as KernelBuilder::build.
Result<BuiltKernel> build_chosen(KernelBuilder& builder, const MatmulSpec& spec,
                                 const KernelChoice& choice, const KernelPlan& any_m_plan,
                                 const Target& target);

}  // namespace bitnetc
