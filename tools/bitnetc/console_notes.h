// Where the library's notes and progress go: to stderr.
#pragma once

#include <memory>
#include <mutex>
#include <string>

#include "runtime/notes.h"
#include "tools/bitnetc/console.h"

namespace bitnetc {

// With -v also what was ignored, the kernels that run, why operations fell back, and the contests
// of tuning; with -q nothing.
class ConsoleNotes final : public Notes {
 public:
  void note(NoteKind kind, const std::string& text) override;
  void progress(const Progress& progress) override;
  void end_progress();  // takes the bar off the screen; so does the next note

 private:
  std::mutex mutex_;                  // guards what follows
  std::string task_;                  // that bar_ shows
  std::unique_ptr<ProgressBar> bar_;  // of what goes on
};

}  // namespace bitnetc
