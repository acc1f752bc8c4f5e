#include "tools/engine/machine_plans.h"

#include <set>

#include "autotune/machine.h"
#include "autotune/modelled_plans.h"

namespace bitnetc {
namespace {

Profile load_profile(const std::string& cache_dir, Notes& notes) {
  LoadedProfile loaded = machine_profile_store(cache_dir).load();
  for (const std::string& problem : loaded.problems) notes.note(NoteKind::kProfile, problem);
  return std::move(loaded.profile);
}

void note_report(const TuneReport& report, Notes& notes) {
  std::string text = fmt::format("tuned {} in {:.1f} s", report.tuned, report.took_s);
  if (report.known > 0) text += fmt::format(", {} known already", report.known);
  if (report.noisy > 0)
    text += fmt::format(", {} of them not sure: a busy machine, or too little time", report.noisy);
  if (report.left > 0) text += fmt::format("; {} left: run it again to go on", report.left);
  notes.note(NoteKind::kTuning, text);
  if (report.refused > 0)
    notes.note(NoteKind::kTuning,
               fmt::format("{} could not be told for noise and are not kept; run it again on a "
                           "quieter machine",
                           report.refused));
  for (const std::string& failure : report.failures) notes.note(NoteKind::kTuning, failure);
  if (!report.stored.ok())
    notes.note(NoteKind::kTuning, "what was found is not kept: " + report.stored.message());
}

MachineLimits limits_with(const std::string& cache_dir, int threads, Notes& notes,
                          const CancelToken* cancel = nullptr) {
  return remembered_limits(
      cache_dir, threads,
      {.note = [&](const std::string& text) { notes.note(NoteKind::kTuning, text); },
       .is_cancelled = [cancel] { return is_cancelled(cancel); }});
}

// A machine that was never tuned has no limits to predict from, and measuring them takes longer
// than most runs.
PlanModel model_of(const Profile& profile, const std::string& cache_dir, int threads,
                   Notes& notes) {
  if (profile.entries.empty()) return {};
  return cheapest_by_model(limits_with(cache_dir, threads, notes));
}

}  // namespace

ProfileStore machine_profile_store(const std::string& cache_dir) {
  return {cache_dir, {fingerprint(this_machine()), describe(this_machine())}};
}

MachinePlans::MachinePlans(const std::string& cache_dir, int threads, Usage usage, Notes& notes)
    : profile_(load_profile(cache_dir, notes)),
      plans_(profile_, threads, usage, model_of(profile_, cache_dir, threads, notes)) {}

std::string MachinePlans::layouts(const Target& target) const {
  std::set<std::string> choices;
  for (const ProfileEntry& entry : profile_.entries)
    choices.insert(fmt::format("{}x{} {} {}", entry.key.spec.n, entry.key.spec.k,
                               epilogue_name(entry.key.spec.epilogue),
                               layout_name(plans_.layout_for(entry.key.spec, target))));
  return fmt::format("{}", fmt::join(choices, ", "));
}

Result<TuneReport> tune_this_machine(TuneRequest request, const std::string& cache_dir,
                                     Notes& notes, const CancelToken* cancel) {
  BITNETC_RETURN_IF_ERROR(
      generated_code_available(request.build).with_context("tuning has to run generated kernels"));
  for (const int threads : request.threads)
    request.limits.push_back(limits_with(cache_dir, threads, notes, cancel));
  if (is_cancelled(cancel))
    return Status(StatusCode::kCancelled, "stopped before anything was tuned");
  const ProfileStore store = machine_profile_store(cache_dir);
  const Profile known = load_profile(cache_dir, notes);
  const TuneHooks hooks{
      .progress =
          [&](const TuneProgress& at) {
            notes.progress({.task = "tuning", .done = at.done, .total = at.total, .what = at.what});
          },
      .found = [&](const ProfileEntry& entry) { return store.add({entry}); },
      .is_cancelled = [cancel] { return is_cancelled(cancel); },
      .log = [&](const std::string& line) { notes.note(NoteKind::kContest, line); }};
  BITNETC_ASSIGN_OR_RETURN(const TuneReport report, tune(request, known, hooks));
  note_report(report, notes);
  return report;
}

}  // namespace bitnetc
