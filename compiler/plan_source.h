// "Which kernel and plan for this spec on this target, and which layout for this matrix?" The
// compiler asks; it never measures. The default answers are fixed heuristics; a tuner can give
// better ones.
#pragma once

#include <optional>
#include <string>
#include <string_view>

#include "codegen/kernel_plan.h"
#include "codegen/kernel_spec.h"
#include "runtime/target.h"

namespace bitnetc {

class Generator;

// How an answer came about, the weakest first.
enum class ChoiceOrigin {
  kHeuristic,    // a rule of thumb
  kModelled,     // predicted from bytes and operations
  kTransferred,  // measured for a similar shape or number of tokens
  kMeasured,     // measured for this very spec
};
std::string_view origin_name(
    ChoiceOrigin origin);  // "heuristic", "modelled", "transferred", "measured"
std::optional<ChoiceOrigin> parse_origin(std::string_view name);

struct KernelChoice {
  KernelPlan plan;  // no fields: what is not a matmul has nothing to plan
  // Of codegen/kernels.inc, to be tried first; empty: the order of that list decides.
  std::string generator = {};
  ChoiceOrigin origin = ChoiceOrigin::kHeuristic;

  bool operator==(const KernelChoice&) const = default;
};
// "t1u8p8192 measured x64_matmul_i2s_avx512vnni": plan, origin, generator if there is one; a
// heuristic without a generator is its plan alone.
std::string print_choice(const KernelChoice& choice);
// Error: kInvalidArgument naming the text and the form that was expected.
Result<KernelChoice> parse_choice(std::string_view text);

class PlanSource {
 public:
  virtual ~PlanSource() = default;
  virtual KernelChoice choose(const KernelSpec& spec, const Target& target) const = 0;
  // `spec` says the shape and use of the matrix; its own layout and number of tokens say nothing.
  virtual LayoutId layout_for(const MatmulSpec& spec, const Target& target) const = 0;
};

// Rules of thumb from the benches: docs/decisions/0010 has the measurements. Where they prefer a
// generator to one that stands higher in codegen/kernels.inc and can serve the spec too, the choice
// names it.
class HeuristicPlanSource final : public PlanSource {
 public:
  // The plan that a kernel of `generator` should do well with, whether or not the generator is the
  // one to choose.
  static KernelPlan plan_for(const Generator& generator, const MatmulSpec& spec,
                             const Target& target);
  KernelChoice choose(const KernelSpec& spec, const Target& target) const override;
  LayoutId layout_for(const MatmulSpec& spec, const Target& target) const override;
};

// Another source, but with one layout for every matrix (none: as the other says).
class LayoutOverride final : public PlanSource {
 public:
  LayoutOverride(const PlanSource& plans, std::optional<LayoutId> layout)
      : plans_(plans), layout_(layout) {}
  KernelChoice choose(const KernelSpec& spec, const Target& target) const override {
    return plans_.choose(spec, target);
  }
  LayoutId layout_for(const MatmulSpec& spec, const Target& target) const override {
    return layout_ ? *layout_ : plans_.layout_for(spec, target);
  }

 private:
  const PlanSource& plans_;
  std::optional<LayoutId> layout_;
};

}  // namespace bitnetc
