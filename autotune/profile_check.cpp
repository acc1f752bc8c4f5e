// Whether what a profile says still means something to this build on this machine.
#include <algorithm>
#include <iterator>
#include <optional>

#include "autotune/profile.h"
#include "codegen/kernel_builder.h"

namespace bitnetc {
namespace {

// A generator that serves a spec at all takes its default plan or, for steps of several tiles and
// the like, one that differs from it in one field.
bool serves(const Generator& generator, const MatmulSpec& spec, const Target& target) {
  const auto takes = [&](const KernelPlan& plan) {
    return accepted_request(generator, {.spec = spec, .plan = plan, .target = target}).ok();
  };
  const PlanFields fields = generator.plan_fields();
  const KernelPlan plan = default_plan(fields);
  if (takes(plan)) return true;
  for (const PlanField& field : fields)
    for (const int value : field.worth_trying)
      if (takes(with_value(fields, plan, field.letter, value))) return true;
  return false;
}

// The first generator that only one of the two fields has; nothing if they are equal.
std::string first_difference(const std::vector<std::string>& then,
                             const std::vector<std::string>& now) {
  std::vector<std::string> missing, fresh;
  std::ranges::set_difference(then, now, std::back_inserter(missing));
  std::ranges::set_difference(now, then, std::back_inserter(fresh));
  if (!missing.empty() && !fresh.empty()) return missing[0] + " then, " + fresh[0] + " now";
  if (!missing.empty()) return missing[0] + " is not part of this build";
  return fresh.empty() ? "" : fresh[0] + " is new";
}

// What the target of the key is on this machine.
std::optional<Target> target_here(const std::string& tier, const Target& machine) {
  const Target target = cap_target(machine, parse_isa(tier));
  return target.name() == tier ? std::optional(target) : std::nullopt;
}

Status check_plans(const ProfileEntry& entry, const Target& target) {
  for (const Measurement& measured : entry.measurements) {
    const Generator* generator = find_generator(measured.generator);
    if (generator == nullptr)
      return make_error(StatusCode::kNotFound, "generator '{}' is not part of this build",
                        measured.generator);
    const auto accepted = accepted_request(*generator, {.spec = entry.key.spec,
                                                        .plan = measured.plan,
                                                        .target = target,
                                                        .generator = measured.generator});
    if (!accepted.ok())
      return accepted.status().with_context(
          fmt::format("{} {}", measured.label(), plan_name(measured.plan)));
  }
  return {};
}

}  // namespace

std::vector<std::string> current_field(const MatmulSpec& spec, const Target& target) {
  std::vector<std::string> field;
  for (const auto& generator : KernelBuilder::generators())
    if (generator->kind() != GeneratorKind::kReference && serves(*generator, spec, target))
      field.push_back(fmt::format("{}.{}", generator->name(), generator->revision()));
  std::ranges::sort(field);
  return field;
}

int64_t drop_unusable(Profile& profile, const Target& machine, std::vector<std::string>& problems) {
  constexpr int64_t kMostProblems = 20;
  int64_t stale = 0, refused = 0;
  std::string difference;  // of the first stale entry
  const auto is_unusable = [&](const ProfileEntry& entry) {
    const auto drop = [&](const std::string& why) {
      if (++refused <= kMostProblems)
        problems.push_back(fmt::format("{}: {}; the entry is not used", entry.key.text(), why));
      return true;
    };
    const auto target = target_here(entry.key.target, machine);
    if (!target) return drop("this machine has the tiers up to " + machine.name());
    if (const auto now = current_field(entry.key.spec, *target); entry.field != now) {
      if (stale++ == 0) difference = first_difference(entry.field, now);
      return true;
    }
    const Status plans = check_plans(entry, *target);
    return !plans.ok() && drop(plans.message());
  };
  const auto dropped = std::erase_if(profile.entries, is_unusable);
  if (refused > kMostProblems)
    problems.push_back(fmt::format("{} more entries are not used", refused - kMostProblems));
  if (stale > 0)
    problems.push_back(
        fmt::format("{} of the entries were measured against other kernels than this build has "
                    "({}) and are not "
                    "used; `bitnetc autotune` measures them again",
                    stale, difference));
  return static_cast<int64_t>(dropped);
}

}  // namespace bitnetc
