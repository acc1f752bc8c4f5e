#include "tools/bitnetc/console_notes.h"

namespace bitnetc {

void ConsoleNotes::note(NoteKind kind, const std::string& text) {
  const std::lock_guard lock(mutex_);
  bar_.reset();
  const bool is_verbose = verbosity() == Verbosity::kVerbose;
  switch (kind) {
    case NoteKind::kIgnoredKey:
      if (is_verbose) print_err("ignored: {}\n", text);
      return;
    case NoteKind::kKernels:
      if (is_verbose) write_message(text);
      return;
    case NoteKind::kContest:
      if (is_verbose) print_err("{}\n", text);
      return;
    case NoteKind::kFallbackReason:
      if (is_verbose) print_note(text);
      return;
    case NoteKind::kSelection: print_err("explain: {}\n", text); return;
    case NoteKind::kObserver: print_err("{}\n", text); return;
    case NoteKind::kCompiled:
      if (verbosity() != Verbosity::kQuiet) write_fitted_message(text + "\n");
      return;
    case NoteKind::kFallback: print_note(is_verbose ? text : text + " (-v says why)"); return;
    case NoteKind::kModel:
    case NoteKind::kCache:
    case NoteKind::kProfile:
    case NoteKind::kMemory:
    case NoteKind::kBackEnd:
    case NoteKind::kRepacked:
    case NoteKind::kWaiting:
    case NoteKind::kTuning: print_note(text); return;
  }
}

void ConsoleNotes::progress(const Progress& progress) {
  const std::lock_guard lock(mutex_);
  if (task_ != progress.task) bar_.reset();
  if (!bar_) bar_ = std::make_unique<ProgressBar>(task_ = progress.task);
  bar_->update(progress.done, progress.total, std::string(progress.what));
}

void ConsoleNotes::end_progress() {
  const std::lock_guard lock(mutex_);
  bar_.reset();
}

}  // namespace bitnetc
