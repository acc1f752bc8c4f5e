#include "compiler/plan_source.h"

namespace bitnetc {

KernelPlan HeuristicPlanSource::plan_for(const KernelSpec& spec, const Target& target) const {
  (void)spec;
  (void)target;
  return {};
}

}  // namespace bitnetc
