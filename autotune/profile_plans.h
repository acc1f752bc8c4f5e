// The PlanSource of a tuned machine: what was measured; else what was measured for the nearest number of tokens or
// shape; else the cheapest by the cost model; else the rule of thumb. Each answer says which.
#pragma once

#include "autotune/profile.h"
#include "autotune/usage.h"
#include "compiler/plan_source.h"

namespace bitnetc {

// Seconds a token costs in a matrix of this shape and layout at the shares of the usage. Nothing where one token or
// many were not measured.
std::optional<double> seconds_per_token(const Profile& profile, const MatmulSpec& spec,
                                        const Target& target, int threads, Usage usage);

class ProfilePlanSource final : public PlanSource {
 public:
  // `threads`: that the model will run with. The profile must outlive the source.
  ProfilePlanSource(const Profile& profile, int threads, Usage usage);

  KernelChoice choose(const KernelSpec& spec, const Target& target) const override;
  // The layout with the least time per use (usage.h) of those that were measured for one token and for many; i2_s
  // where nothing was.
  LayoutId layout_for(const MatmulSpec& spec, const Target& target) const override;

 private:
  const Profile& profile_;
  int threads_;
  Usage usage_;
};

}  // namespace bitnetc
