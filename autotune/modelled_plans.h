// What the cost model would choose, for a ProfilePlanSource to fall back on.
#pragma once

#include "autotune/limits.h"
#include "autotune/profile_plans.h"

namespace bitnetc {

// The candidate of a quick search that is predicted to be the fastest with tuned_tokens(m) tokens a
// call; nothing where there is no candidate. Every spec is predicted once, however often it is
// asked for. Thread-compatible: copies share what they know.
PlanModel cheapest_by_model(const MachineLimits& limits);

}  // namespace bitnetc
