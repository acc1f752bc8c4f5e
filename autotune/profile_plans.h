// The PlanSource of a tuned machine: what was measured; else what was measured for the nearest
// number of tokens or shape; else the cheapest by the cost model; else the rule of thumb. Each
// answer says which.
#pragma once

#include <functional>
#include <optional>

#include "autotune/profile.h"
#include "autotune/usage.h"
#include "compiler/plan_source.h"

namespace bitnetc {

// The cheapest kernel by a cost model; nothing where the model has nothing to say.
using PlanModel = std::function<std::optional<KernelChoice>(const MatmulSpec&, const Target&)>;

// Seconds that a token of the usage costs in a matrix of this shape and layout,
//     sum over the shares of   share * median_s(shape, layout, m) / tuned_tokens(m),
// with the nearest number of threads for which any layout of the shape was measured for m = 1 and
// any M. A share whose m was not measured for all such layouts does not count for any, so that they
// compare. Nothing where this layout was not measured for m = 1 and any M. The m of `spec` says
// nothing.
std::optional<double> seconds_per_token(const Profile& profile, const MatmulSpec& spec,
                                        const Target& target, int threads, Usage usage);

class ProfilePlanSource final : public PlanSource {
 public:
  // `threads`: that the model will run with. The profile must outlive the source. `model`: may be
  // empty.
  ProfilePlanSource(const Profile& profile, int threads, Usage usage, PlanModel model = {});

  // The best kernel of the entry for this spec, target and number of threads (kMeasured). Else
  // (kTransferred) of the entry of the same layout and tier that is nearest, as long as its
  // generator takes the plan for this spec, too: nearest in the number of threads, then in shape
  // (|ln n/n'| + |ln k/k'|), then in tokens, then in epilogue. Of the same shape, tokens may differ
  // by a factor of 2; of another, they must be equal and the shape within a factor of 4. Else what
  // `model` says (kModelled). Else HeuristicPlanSource (kHeuristic).
  KernelChoice choose(const KernelSpec& spec, const Target& target) const override;

  // The layout with the least seconds_per_token(). The time of a layout with a noisy entry counts
  // 10 % more. Among layouts within 2 % of the least, the one with the fewest bytes. i2_s where
  // nothing was measured.
  LayoutId layout_for(const MatmulSpec& spec, const Target& target) const override;

 private:
  const ProfileEntry* nearest(const MatmulSpec& spec, const Target& target) const;

  const Profile& profile_;
  int threads_;
  Usage usage_;
  PlanModel model_;
};

}  // namespace bitnetc
