// What the commands share at the terminal: failures in one line, a progress bar, Ctrl-C, text input.
// Results go to stdout, everything else to stderr; colours and bars only on a terminal.
#pragma once

#include <atomic>
#include <cstdint>
#include <string>

#include "runtime/status.h"
#include "tools/engine/stopwatch.h"

namespace bitnetc {

bool stdout_is_terminal();
bool stderr_is_terminal();

// "bitnetc: <message>" on stderr; the exit code that fits the failure.
int report_failure(const Status& status);
// The exit code of a finished command; a failure is reported.
int exit_code_of(const Status& status);
void print_note(const std::string& text);  // "note: ..." on stderr

// Set by the first Ctrl-C (the second one ends the process). Installed once by main().
void install_interrupt_handler();
const std::atomic<bool>& interrupted();

std::string format_bytes(double bytes);  // "3.1 MB", powers of ten

// Names an operation and fills a bar; does nothing when stderr is no terminal.
class ProgressBar {
 public:
  explicit ProgressBar(std::string title);
  ~ProgressBar();
  void update(int done, int total, const std::string& detail);
  void finish();  // takes the bar off the screen

 private:
  std::string title_;
  bool drawn_ = false;
};

// The whole of a file, or of stdin for "-".
Result<std::string> read_text(const std::string& path);
// Error: kIoError naming the file.
Status write_text(const std::string& path, const std::string& text);
// `text` if given, else `file`, else stdin when it is not a terminal.
struct TextInput {
  std::string text, file;
  bool has_text = false;
};
Result<std::string> resolve_text(const TextInput& input, const char* what);

}  // namespace bitnetc
