// How the commands use the engine library: its notes and progress go to stderr, Ctrl-C stops it.
#pragma once

#include <memory>
#include <mutex>
#include <set>
#include <string>

#include "runtime/notes.h"
#include "tools/bitnetc/console.h"
#include "tools/engine/engine.h"

namespace bitnetc {

class ConsoleNotes final : public Notes {
 public:
  // `verbose`: also what was ignored, the kernels that run and the contests of tuning.
  explicit ConsoleNotes(bool verbose) : verbose_(verbose) {}

  void note(NoteKind kind, const std::string& text) override;
  void progress(const Progress& progress) override;

 private:
  const bool verbose_;
  std::mutex mutex_;                  // guards what follows
  std::set<std::string> said_;        // a note is shown once
  std::string task_;                  // that bar_ shows
  std::unique_ptr<ProgressBar> bar_;  // taken off the screen by the next note and by the destructor
};

// `plan` with its number of threads settled (thread_count()).
EngineOptions engine_options(Notes& notes, PlanRequest plan = {});

}  // namespace bitnetc
