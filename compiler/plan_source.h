// "Which plan for this spec on this target, and which layout for this matrix?" The compiler asks; it never
// measures. The default answers are fixed heuristics; a tuner can give better ones.
#pragma once

#include <optional>

#include "codegen/kernel_plan.h"
#include "codegen/kernel_spec.h"
#include "runtime/target.h"

namespace bitnetc {

class PlanSource {
 public:
  virtual ~PlanSource() = default;
  virtual KernelPlan plan_for(const KernelSpec& spec, const Target& target) const = 0;
  // `spec` says the shape and use of the matrix; its own layout and number of tokens say nothing.
  virtual LayoutId layout_for(const MatmulSpec& spec, const Target& target) const = 0;
};

// Rules of thumb from the benches; the reasons stand beside them in plan_source.cpp.
class HeuristicPlanSource final : public PlanSource {
 public:
  KernelPlan plan_for(const KernelSpec& spec, const Target& target) const override;
  LayoutId layout_for(const MatmulSpec& spec, const Target& target) const override;
};

// Another source, but with one layout for every matrix (none: as the other says).
class LayoutOverride final : public PlanSource {
 public:
  LayoutOverride(const PlanSource& plans, std::optional<LayoutId> layout)
      : plans_(plans), layout_(layout) {}
  KernelPlan plan_for(const KernelSpec& spec, const Target& target) const override {
    return plans_.plan_for(spec, target);
  }
  LayoutId layout_for(const MatmulSpec& spec, const Target& target) const override {
    return layout_ ? *layout_ : plans_.layout_for(spec, target);
  }

 private:
  const PlanSource& plans_;
  std::optional<LayoutId> layout_;
};

}  // namespace bitnetc
