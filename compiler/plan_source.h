// "Which plan for this spec on this target?" The compiler asks; it never measures. The default answer is a
// fixed heuristic; a tuner can give a better one.
#pragma once

#include "codegen/kernel_plan.h"
#include "codegen/kernel_spec.h"
#include "runtime/target.h"

namespace bitnetc {

class PlanSource {
 public:
  virtual ~PlanSource() = default;
  virtual KernelPlan plan_for(const KernelSpec& spec, const Target& target) const = 0;
};

// Rules of thumb from the benches; the reasons stand beside them in plan_source.cpp.
class HeuristicPlanSource final : public PlanSource {
 public:
  KernelPlan plan_for(const KernelSpec& spec, const Target& target) const override;
};

}  // namespace bitnetc
