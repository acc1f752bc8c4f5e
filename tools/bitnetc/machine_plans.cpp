#include "tools/bitnetc/machine_plans.h"

#include <memory>
#include <set>

#include "autotune/machine.h"
#include "autotune/modelled_plans.h"
#include "runtime/exec_memory.h"
#include "tools/bitnetc/arguments.h"
#include "tools/bitnetc/console.h"

namespace bitnetc {
namespace {

// Read once: a command plans a model more than once, and what cannot be used is to be said once.
std::shared_ptr<const Profile>& profile_in_use() {
  static std::shared_ptr<const Profile> profile;
  return profile;
}

std::shared_ptr<const Profile> load_profile() {
  std::shared_ptr<const Profile>& profile = profile_in_use();
  if (profile != nullptr) return profile;
  LoadedProfile loaded = machine_profile_store().load();
  for (const std::string& problem : loaded.problems) print_note(problem);
  return profile = std::make_shared<const Profile>(std::move(loaded.profile));
}

void print_report(const TuneReport& report) {
  std::string text = fmt::format("tuned {} in {:.1f} s", report.tuned, report.took_s);
  if (report.known > 0) text += fmt::format(", {} known already", report.known);
  if (report.noisy > 0)
    text += fmt::format(", {} of them not sure: a busy machine, or too little time", report.noisy);
  if (report.left > 0) text += fmt::format("; {} left: run it again to go on", report.left);
  print_note(text);
  if (report.refused > 0)
    print_note(
        fmt::format("{} could not be told for noise and are not kept; run it again on a "
                    "quieter machine",
                    report.refused));
  for (const std::string& failure : report.failures) print_note(failure);
  if (!report.stored.ok()) print_note("what was found is not kept: " + report.stored.message());
}

// A machine that was never tuned has no limits to predict from, and measuring them takes longer than most runs.
PlanModel model_of(const Profile& profile, int threads) {
  return profile.entries.empty() ? PlanModel() : cheapest_by_model(remembered_limits(threads));
}

}  // namespace

ProfileStore machine_profile_store() {
  return {fingerprint(this_machine()), describe(this_machine())};
}

MachinePlans::MachinePlans(int threads, Usage usage)
    : profile_(load_profile()), plans_(*profile_, threads, usage, model_of(*profile_, threads)) {}

std::string MachinePlans::layouts(const Target& target) const {
  std::set<std::string> choices;
  for (const ProfileEntry& entry : profile_->entries)
    choices.insert(fmt::format("{} {}", shape_title(entry.key.spec),
                               layout_name(plans_.layout_for(entry.key.spec, target))));
  return fmt::format("{}", fmt::join(choices, ", "));
}

Result<TuneReport> tune_this_machine(TuneRequest request, bool log) {
  BITNETC_RETURN_IF_ERROR(
      exec_memory_available().with_context("tuning has to run generated kernels"));
  for (const int threads : request.threads) request.limits.push_back(remembered_limits(threads));
  const ProfileStore store = machine_profile_store();
  const std::shared_ptr<const Profile> known = load_profile();
  ProgressBar bar("tuning");
  const TuneHooks hooks{
      .progress = [&](const TuneProgress& at) { bar.update(at.done, at.total, at.what); },
      .found = [&](const ProfileEntry& entry) { return store.add({entry}); },
      .is_cancelled = [] { return interrupted().load(); },
      .log =
          [&](const std::string& line) {
            if (log) fmt::print(stderr, "{}\n", line);
          }};
  BITNETC_ASSIGN_OR_RETURN(const TuneReport report, tune(request, *known, hooks));
  bar.finish();
  profile_in_use() = nullptr;  // there is more in it now
  print_report(report);
  return report;
}

}  // namespace bitnetc
