#include "autotune/profile_plans.h"

#include <algorithm>
#include <cmath>
#include <compare>
#include <cstdint>
#include <map>
#include <utility>
#include <vector>

#include "codegen/kernel_builder.h"

namespace bitnetc {
namespace {

const double kMostShapeDistance = std::log(4.0);
const double kMostTokenDistance = std::log(2.0);
constexpr double kNoisyHandicap = 1.10;  // what a noisy layout has to win by
constexpr double kTie = 1.02;

double log_distance(int64_t a, int64_t b) {
  return std::fabs(std::log(static_cast<double>(a) / static_cast<double>(b)));
}

// How far what was measured for one spec is from another, what matters most first.
struct Distance {
  double threads = 0, shape = 0, tokens = 0;
  int epilogue = 0;  // 1: another of its class; 2: one that pairs rows, the other not
  bool row_max = false;

  auto operator<=>(const Distance&) const = default;
  bool is_near() const {
    constexpr double kRounding = 1e-9;
    return shape == 0 ? tokens <= kMostTokenDistance + kRounding
                      : tokens == 0 && shape <= kMostShapeDistance + kRounding;
  }
};

Distance distance(const MatmulSpec& spec, int threads, const ProfileKey& measured) {
  const MatmulSpec& other = measured.spec;
  int epilogue = spec.epilogue == other.epilogue ? 0 : 1;
  if (is_gated(spec.epilogue) != is_gated(other.epilogue)) epilogue = 2;
  return {.threads = log_distance(threads, measured.threads),
          .shape = log_distance(spec.n, other.n) + log_distance(spec.k, other.k),
          .tokens = log_distance(tuned_tokens(spec.m), tuned_tokens(other.m)),
          .epilogue = epilogue,
          .row_max = spec.row_max != other.row_max};
}

bool can_serve(const Measurement& measured, const MatmulSpec& spec, const Target& target) {
  const Generator* generator = find_generator(measured.generator);
  return generator != nullptr && accepted_request(*generator, {.spec = spec,
                                                               .plan = measured.plan,
                                                               .target = target,
                                                               .generator = measured.generator})
                                     .ok();
}

KernelChoice choice_of(const ProfileEntry& entry, ChoiceOrigin origin) {
  return {.plan = entry.best().plan, .generator = entry.best().generator, .origin = origin};
}

using EntriesByM = std::map<int, const ProfileEntry*>;
using Layouts = std::map<LayoutId, EntriesByM>;

// As the header of layout_for() says; 1.1 times that of a layout with a noisy entry.
double seconds_per_token(const EntriesByM& entries, const std::vector<UsageShare>& shares) {
  double seconds = 0;
  bool is_noisy = false;
  for (const UsageShare& each : shares) {
    const ProfileEntry& entry = *entries.at(each.m);
    seconds += each.share * entry.best().median_s / static_cast<double>(tuned_tokens(each.m));
    is_noisy = is_noisy || entry.confidence == Confidence::kNoisy;
  }
  return is_noisy ? seconds * kNoisyHandicap : seconds;
}

// Nothing where no layout was measured for one token and for many.
std::optional<LayoutId> best_layout(Layouts layouts, const MatmulSpec& spec,
                                    std::vector<UsageShare> shares) {
  std::erase_if(layouts, [](const auto& each) {
    return !each.second.contains(1) || !each.second.contains(kAnyM);
  });
  std::erase_if(shares, [&](const UsageShare& share) {
    return !std::ranges::all_of(layouts,
                                [&](const auto& each) { return each.second.contains(share.m); });
  });
  double least = HUGE_VAL;
  for (const auto& [layout, entries] : layouts)
    least = std::min(least, seconds_per_token(entries, shares));
  std::optional<LayoutId> best;
  int64_t fewest_bytes = INT64_MAX;
  for (const auto& [layout, entries] : layouts) {
    const int64_t bytes = WeightLayout{.id = layout, .n = spec.n, .k = spec.k}.total_bytes();
    if (seconds_per_token(entries, shares) > least * kTie || bytes >= fewest_bytes) continue;
    best = layout;
    fewest_bytes = bytes;
  }
  return best;
}

}  // namespace

ProfilePlanSource::ProfilePlanSource(const Profile& profile, int threads, Usage usage,
                                     PlanModel model)
    : profile_(profile), threads_(threads), usage_(usage), model_(std::move(model)) {
  BITNETC_CHECK(threads >= 1, "{} threads", threads);
}

const ProfileEntry* ProfilePlanSource::nearest(const MatmulSpec& spec, const Target& target) const {
  const ProfileEntry* best = nullptr;
  Distance least;
  for (const ProfileEntry& entry : profile_.entries) {
    if (entry.key.spec.layout != spec.layout || entry.key.target != target.describe()) continue;
    const Distance here = distance(spec, threads_, entry.key);
    if (!here.is_near() || (best != nullptr && !(here < least))) continue;
    if (!can_serve(entry.best(), spec, target)) continue;
    best = &entry;
    least = here;
  }
  return best;
}

KernelChoice ProfilePlanSource::choose(const KernelSpec& spec, const Target& target) const {
  const HeuristicPlanSource heuristic;
  const auto* matmul = std::get_if<MatmulSpec>(&spec);
  if (matmul == nullptr) return heuristic.choose(spec, target);
  const ProfileEntry* exact =
      profile_.find({.spec = *matmul, .target = target.describe(), .threads = threads_});
  if (exact != nullptr && can_serve(exact->best(), *matmul, target))
    return choice_of(*exact, ChoiceOrigin::kMeasured);
  if (const ProfileEntry* near = nearest(*matmul, target))
    return choice_of(*near, ChoiceOrigin::kTransferred);
  if (model_) {
    if (auto modelled = model_(*matmul, target)) {
      modelled->origin = ChoiceOrigin::kModelled;
      return *modelled;
    }
  }
  return heuristic.choose(spec, target);
}

LayoutId ProfilePlanSource::layout_for(const MatmulSpec& spec, const Target& target) const {
  std::map<std::pair<double, int>, Layouts> by_threads;  // the nearest number first
  for (const ProfileEntry& entry : profile_.entries) {
    MatmulSpec same = entry.key.spec;
    same.layout = spec.layout;
    same.m = spec.m;
    if (same != spec || entry.key.target != target.describe()) continue;
    const int threads = entry.key.threads;
    by_threads[{log_distance(threads_, threads), threads}][entry.key.spec.layout].emplace(
        entry.key.spec.m, &entry);
  }
  for (auto& [threads, layouts] : by_threads)
    if (const auto layout = best_layout(layouts, spec, usage_shares(usage_))) return *layout;
  return HeuristicPlanSource().layout_for(spec, target);
}

}  // namespace bitnetc
