#include "tools/bitnetc/console_notes.h"

#include "tools/bitnetc/arguments.h"

namespace bitnetc {

void ConsoleNotes::note(NoteKind kind, const std::string& text) {
  const std::lock_guard lock(mutex_);
  bar_.reset();
  if (!said_.insert(text).second) return;
  switch (kind) {
    case NoteKind::kIgnoredKey:
      if (verbose_) fmt::print(stderr, "ignored: {}\n", text);
      return;
    case NoteKind::kKernels:
      if (verbose_) fmt::print(stderr, "{}", text);
      return;
    case NoteKind::kContest:
      if (verbose_) fmt::print(stderr, "{}\n", text);
      return;
    case NoteKind::kCompiled: fmt::print(stderr, "{}\n", text); return;
    case NoteKind::kModel:
    case NoteKind::kCache:
    case NoteKind::kProfile:
    case NoteKind::kRepacked:
    case NoteKind::kFallback:
    case NoteKind::kTuning: print_note(text); return;
  }
}

void ConsoleNotes::progress(const Progress& progress) {
  const std::lock_guard lock(mutex_);
  if (task_ != progress.task) bar_.reset();
  if (!bar_) bar_ = std::make_unique<ProgressBar>(task_ = progress.task);
  bar_->update(progress.done, progress.total, std::string(progress.what));
}

EngineOptions engine_options(Notes& notes, PlanRequest plan) {
  plan.threads = thread_count(plan.threads);
  return {.plan = std::move(plan), .notes = &notes, .cancel = &interrupted()};
}

}  // namespace bitnetc
