// What the commands write: results to stdout, everything else to stderr. All output of the command
// goes through here, from any thread.
//
// The first error of stdout is kept for output_failure(); from then on nothing more is written and
// the command is asked to stop. Errors of stderr are nobody's business: a message that cannot be
// shown changes neither what a command does nor its exit code. Nothing here throws because of a
// stream.
//
// On a terminal, control characters in what is written are shown, not sent, and lines are fitted to
// the width. Through a pipe the bytes of a result go as they are; messages never hold raw control
// characters.
#pragma once

#include <functional>
#include <string>
#include <string_view>

#include "runtime/status.h"
#include "tools/bitnetc/signals.h"

namespace bitnetc {

// Before anything is opened: a standard stream that the parent closed is given a file that refuses
// to be read or written, so that no model or output file takes its number.
void reserve_standard_streams();

bool stdout_is_terminal();
bool stderr_is_terminal();

// Reports and tables; on a terminal, lines are fitted to its width.
void write_report(std::string_view text);
template <typename... Args>
void print_out(fmt::format_string<Args...> format, Args&&... args) {
  write_report(fmt::format(format, std::forward<Args>(args)...));
}
// Text that is not to be broken: what a model wrote, a prompt, JSON, code.
void write_text_out(std::string_view text);
// The same, faint on a terminal.
void write_faint(std::string_view text);
void flush_out();
// The first error of stdout. Ok: all of it has been written. Flushes.
Status output_failure();
bool output_reader_is_gone();  // that error is a broken pipe

// Messages. `text` may have several lines.
void write_message(std::string_view text);
// From now on a message is written as what `format` makes of it.
void set_message_format(std::function<std::string(std::string_view text)> format);
// A line of a log, in its form already. Never waits for a reader: where stderr takes nothing more,
// the line is dropped, and how many were is said once it does.
void write_log_line(std::string_view line);
template <typename... Args>
void print_err(fmt::format_string<Args...> format, Args&&... args) {
  write_message(fmt::format(format, std::forward<Args>(args)...));
}
// Sentences: on a terminal, lines are fitted to its width.
void write_fitted_message(std::string_view text);

// What a command says besides its result and its errors.
enum class Verbosity { kQuiet, kNormal, kVerbose };
void set_verbosity(Verbosity verbosity);
Verbosity verbosity();

// "note: ..." on stderr, as write_fitted_message() of one line, each text once; long ones are cut
// unless the command is verbose. Nothing when it is quiet.
void print_note(const std::string& text);

// Behind a noun that is counted.
inline const char* plural(int64_t count) {
  return count == 1 ? "" : "s";
}
std::string format_bytes(double bytes);  // "3.1 MB", powers of ten

// Names an operation and fills a bar, no wider than the terminal; does nothing when stderr is no
// terminal or the command is quiet.
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

}  // namespace bitnetc
