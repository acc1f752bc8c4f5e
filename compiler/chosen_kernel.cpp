#include "compiler/chosen_kernel.h"

namespace bitnetc {

Result<BuiltKernel> build_chosen(KernelBuilder& builder, const MatmulSpec& spec,
                                 const KernelChoice& choice, const KernelPlan& any_m_plan,
                                 const Target& target) {
  const auto build = [&](const KernelChoice& each) {
    return builder.build({.spec = spec,
                          .plan = each.plan,
                          .target = target,
                          .any_m_plan = any_m_plan,
                          .generator = each.generator});
  };
  auto built = build(choice);
  const bool as_chosen =
      choice.generator.empty() || (built.ok() && built->generator == choice.generator);
  return as_chosen ? built : build(HeuristicPlanSource().choose(spec, target));
}

}  // namespace bitnetc
