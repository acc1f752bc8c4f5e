// What the cost model would choose, for a ProfilePlanSource to fall back on.
#pragma once

#include "autotune/limits.h"
#include "autotune/profile_plans.h"

namespace bitnetc {

// The candidate of a quick search that the model predicts to be the fastest with tuned_tokens(m)
// tokens per call; nothing if there is no candidate. Each spec is predicted once and remembered.
// Thread-compatible: copies share the memory.
PlanModel cheapest_by_model(const MachineLimits& limits);

}  // namespace bitnetc
