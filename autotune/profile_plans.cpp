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
  bool row_absmax = false;

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
          .row_absmax = spec.row_absmax != other.row_absmax};
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

struct LayoutTime {
  double seconds = 0;  // of a token
  bool is_noisy = false;
};

// Every layout of the shape that was measured for one token and for many, with the nearest number
// of threads.
Layouts measured_layouts(const Profile& profile, const MatmulSpec& spec, const Target& target,
                         int threads) {
  std::map<std::pair<double, int>, Layouts> by_threads;  // the nearest first
  for (const ProfileEntry& entry : profile.entries) {
    MatmulSpec same = entry.key.spec;
    same.layout = spec.layout;
    same.m = spec.m;
    if (same != spec || entry.key.target != target.name()) continue;
    const std::pair number(log_distance(threads, entry.key.threads), entry.key.threads);
    by_threads[number][entry.key.spec.layout].emplace(entry.key.spec.m, &entry);
  }
  for (auto& [number, layouts] : by_threads) {
    std::erase_if(layouts, [](const auto& each) {
      return !each.second.contains(1) || !each.second.contains(kAnyM);
    });
    if (!layouts.empty()) return std::move(layouts);
  }
  return {};
}

// By the shares that all layouts have.
std::map<LayoutId, LayoutTime> times_of(const Layouts& layouts, std::vector<UsageShare> shares) {
  std::erase_if(shares, [&](const UsageShare& share) {
    return !std::ranges::all_of(layouts,
                                [&](const auto& each) { return each.second.contains(share.m); });
  });
  std::map<LayoutId, LayoutTime> times;
  for (const auto& [layout, entries] : layouts) {
    LayoutTime& time = times[layout];
    for (const UsageShare& each : shares) {
      const ProfileEntry& entry = *entries.at(each.m);
      time.seconds +=
          each.share * entry.best().median_s / static_cast<double>(tuned_tokens(each.m));
      time.is_noisy = time.is_noisy || entry.confidence == Confidence::kNoisy;
    }
  }
  return times;
}

std::optional<LayoutId> best_layout(const std::map<LayoutId, LayoutTime>& times,
                                    const MatmulSpec& spec) {
  const auto handicapped = [](const LayoutTime& time) {
    return time.is_noisy ? time.seconds * kNoisyHandicap : time.seconds;
  };
  double least = HUGE_VAL;
  for (const auto& [layout, time] : times) least = std::min(least, handicapped(time));
  std::optional<LayoutId> best;
  int64_t fewest_bytes = INT64_MAX;
  for (const auto& [layout, time] : times) {
    const int64_t bytes = WeightLayout{.id = layout, .n = spec.n, .k = spec.k}.total_bytes();
    if (handicapped(time) > least * kTie || bytes >= fewest_bytes) continue;
    best = layout;
    fewest_bytes = bytes;
  }
  return best;
}

}  // namespace

std::optional<double> seconds_per_token(const Profile& profile, const MatmulSpec& spec,
                                        const Target& target, int threads, Usage usage) {
  const auto times =
      times_of(measured_layouts(profile, spec, target, threads), usage_shares(usage));
  const auto at = times.find(spec.layout);
  return at != times.end() ? std::optional(at->second.seconds) : std::nullopt;
}

ProfilePlanSource::ProfilePlanSource(const Profile& profile, int threads, Usage usage,
                                     PlanModel model)
    : profile_(profile), threads_(threads), usage_(usage), model_(std::move(model)) {
  BITNETC_CHECK(threads >= 1, "{} threads", threads);
}

const ProfileEntry* ProfilePlanSource::nearest(const MatmulSpec& spec, const Target& target) const {
  const ProfileEntry* best = nullptr;
  Distance least;
  for (const ProfileEntry& entry : profile_.entries) {
    if (entry.key.spec.layout != spec.layout || entry.key.target != target.name()) continue;
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
      profile_.find({.spec = *matmul, .target = target.name(), .threads = threads_});
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
  const auto times =
      times_of(measured_layouts(profile_, spec, target, threads_), usage_shares(usage_));
  return best_layout(times, spec).value_or(HeuristicPlanSource().layout_for(spec, target));
}

}  // namespace bitnetc
