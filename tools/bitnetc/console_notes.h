// How the commands use the engine library: its notes and progress go to stderr, Ctrl-C stops it.
#pragma once

#include <memory>
#include <mutex>
#include <string>

#include "runtime/notes.h"
#include "tools/bitnetc/console.h"
#include "tools/engine/engine.h"

namespace bitnetc {

// With -v also what was ignored, the kernels that run, why operations fell back, and the contests
// of tuning; with -q nothing.
class ConsoleNotes final : public Notes {
 public:
  void note(NoteKind kind, const std::string& text) override;
  void progress(const Progress& progress) override;

 private:
  std::mutex mutex_;                  // guards what follows
  std::string task_;                  // that bar_ shows
  std::unique_ptr<ProgressBar> bar_;  // taken off the screen by the next note and at the end
};

// `plan` with its number of threads settled (thread_count()).
EngineOptions engine_options(Notes& notes, PlanRequest plan = {});

}  // namespace bitnetc
