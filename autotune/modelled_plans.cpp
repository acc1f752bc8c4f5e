#include "autotune/modelled_plans.h"

#include <map>
#include <memory>
#include <string>
#include <utility>

#include "autotune/cost_model.h"

namespace bitnetc {
namespace {

std::optional<KernelChoice> cheapest(const MatmulSpec& spec, const Target& target,
                                     const MachineLimits& limits) {
  std::optional<KernelChoice> best;
  double least_s = 0;
  for (const Candidate& candidate : candidates(spec, target, Effort::kQuick)) {
    const double seconds = predict(candidate, tuned_tokens(spec.m), limits).seconds();
    if (best && seconds >= least_s) continue;
    least_s = seconds;
    best = KernelChoice{.plan = candidate.plan,
                        .generator = std::string(candidate.generator->name()),
                        .origin = ChoiceOrigin::kModelled};
  }
  return best;
}

}  // namespace

PlanModel cheapest_by_model(const MachineLimits& limits) {
  using Key = std::pair<MatmulSpec, std::string>;  // and the tier
  auto known = std::make_shared<std::map<Key, std::optional<KernelChoice>>>();
  return [limits, known](const MatmulSpec& spec, const Target& target) {
    const auto [at, is_new] = known->try_emplace(Key(spec, target.describe()));
    if (is_new) at->second = cheapest(spec, target, limits);
    return at->second;
  };
}

}  // namespace bitnetc
