#include "tools/bitnetc/console.h"

#include <fcntl.h>
#include <poll.h>
#include <unistd.h>

#include <algorithm>
#include <cerrno>
#include <cstring>
#include <mutex>
#include <set>

#include "tools/bitnetc/terminal.h"

namespace bitnetc {
namespace {

// Writes all of `text`; the errno of what failed, else 0.
int write_all(int fd, std::string_view text) {
  while (!text.empty()) {
    const ssize_t count = ::write(fd, text.data(), text.size());
    if (count < 0 && errno == EINTR) continue;
    if (count < 0) return errno;
    text.remove_prefix(static_cast<size_t>(count));
  }
  return 0;
}

// stdout: collects, writes in blocks (on a terminal at once) and keeps the first error.
class Results {
 public:
  void write(std::string_view text) {
    if (error_ != 0) return;
    waiting_ += text;
    constexpr size_t kBlockBytes = 1 << 16;
    if (stdout_is_terminal() || waiting_.size() >= kBlockBytes) flush();
  }

  void flush() {
    if (error_ == 0) error_ = write_all(STDOUT_FILENO, waiting_);
    waiting_.clear();
    if (error_ != 0) request_stop();
  }

  int error() const { return error_; }

 private:
  std::string waiting_;
  int error_ = 0;
};

Results& results() {
  static Results all;
  return all;
}

// The beginning of a line of a report on a terminal: a line is fitted as a whole.
std::string& begun_line() {
  static std::string line;
  return line;
}

void end_begun_line() {
  if (begun_line().empty()) return;
  results().write(fit(begun_line(), terminal_width(STDOUT_FILENO)));
  begun_line().clear();
}

// Held by every function that writes; recursive, for a message flushes results first.
std::recursive_mutex& writing() {
  static std::recursive_mutex mutex;
  return mutex;
}

Verbosity g_verbosity = Verbosity::kNormal;

// Empty: as they are.
std::function<std::string(std::string_view)>& message_format() {
  static std::function<std::string(std::string_view)> format;
  return format;
}

}  // namespace

void reserve_standard_streams() {
  constexpr int kModes[] = {O_WRONLY, O_RDONLY,
                            O_WRONLY};  // stdin and stdout refuse, stderr swallows
  for (const int fd : {STDIN_FILENO, STDOUT_FILENO, STDERR_FILENO})
    if (::fcntl(fd, F_GETFD) < 0 && errno == EBADF) ::open("/dev/null", kModes[fd]);
}

bool stdout_is_terminal() {
  static const bool is_terminal = ::isatty(STDOUT_FILENO) == 1;
  return is_terminal;
}

bool stderr_is_terminal() {
  static const bool is_terminal = ::isatty(STDERR_FILENO) == 1;
  return is_terminal;
}

void write_report(std::string_view text) {
  const std::lock_guard lock(writing());
  if (!stdout_is_terminal()) return results().write(text);
  std::string& line = begun_line();
  line += shown(text);
  const size_t newline = line.rfind('\n');
  if (newline == line.npos) return;
  results().write(
      fit(std::string_view(line).substr(0, newline + 1), terminal_width(STDOUT_FILENO)));
  line.erase(0, newline + 1);
}

void write_text_out(std::string_view text) {
  const std::lock_guard lock(writing());
  if (!stdout_is_terminal()) return results().write(text);
  end_begun_line();
  results().write(shown(text));
}

void write_faint(std::string_view text) {
  const std::lock_guard lock(writing());
  if (!stdout_is_terminal()) return results().write(text);
  end_begun_line();
  results().write("\033[2m" + shown(text) + "\033[0m");
}

void flush_out() {
  const std::lock_guard lock(writing());
  if (stdout_is_terminal()) end_begun_line();
  results().flush();
}

Status output_failure() {
  flush_out();
  const int error = results().error();
  if (error == 0) return {};
  return make_error(StatusCode::kIoError, "cannot write to stdout: {}", std::strerror(error));
}

bool output_reader_is_gone() {
  return results().error() == EPIPE;
}

void write_message(std::string_view text) {
  const std::lock_guard lock(writing());
  flush_out();  // in the order in which things were said
  write_all(STDERR_FILENO, shown(message_format() ? message_format()(text) : text));
}

void write_log_line(std::string_view line) {
  const std::lock_guard lock(writing());
  static int64_t dropped = 0;
  // A pipe with room for PIPE_BUF bytes takes a line without waiting.
  pollfd state = {.fd = STDERR_FILENO, .events = POLLOUT, .revents = 0};
  if (::poll(&state, 1, 0) == 0) {
    ++dropped;
    return;
  }
  if (const int64_t count = std::exchange(dropped, 0); count > 0)
    print_err("{} line{} of the log were dropped: nobody read stderr\n", count, plural(count));
  write_all(STDERR_FILENO, shown(line));
}

void set_message_format(std::function<std::string(std::string_view text)> format) {
  const std::lock_guard lock(writing());
  message_format() = std::move(format);
}

void write_fitted_message(std::string_view text) {
  if (!stderr_is_terminal()) return write_message(text);
  write_message(fit(shown(text), terminal_width(STDERR_FILENO)));
}

void set_verbosity(Verbosity verbosity) {
  g_verbosity = verbosity;
}

Verbosity verbosity() {
  return g_verbosity;
}

void print_note(const std::string& text) {
  constexpr size_t kMostBytes = 240;
  const std::lock_guard lock(writing());
  static std::set<std::string> said;
  if (g_verbosity == Verbosity::kQuiet || !said.insert(text).second) return;
  const bool is_cut = g_verbosity != Verbosity::kVerbose && text.size() > kMostBytes;
  write_fitted_message(
      fmt::format("note: {}\n", shown_on_a_line(text, is_cut ? kMostBytes : text.npos)));
}

std::string format_bytes(double bytes) {
  constexpr const char* kUnits[] = {"B", "kB", "MB", "GB", "TB"};
  size_t unit = 0;
  while (bytes >= 1000 && unit + 1 < std::size(kUnits)) bytes /= 1000, ++unit;
  return unit == 0 ? fmt::format("{:.0f} B", bytes) : fmt::format("{:.1f} {}", bytes, kUnits[unit]);
}

ProgressBar::ProgressBar(std::string title) : title_(std::move(title)) {}

ProgressBar::~ProgressBar() {
  finish();
}

void ProgressBar::finish() {
  if (drawn_) write_all(STDERR_FILENO, "\r\033[K");
  drawn_ = false;
}

void ProgressBar::update(int done, int total, const std::string& detail) {
  if (!stderr_is_terminal() || g_verbosity == Verbosity::kQuiet) return;
  const int width = terminal_width(STDERR_FILENO) - 1;
  const int bar = std::clamp(width / 3, 4, 30);
  const int filled = total > 0 ? bar * done / total : 0;
  const std::string line = fmt::format("{} [{:#<{}}{: <{}}] {}/{} {}", title_, "", filled, "",
                                       bar - filled, done, total, shown_on_a_line(detail, 200));
  flush_out();
  write_all(STDERR_FILENO, fmt::format("\r\033[K{:.{}}", line, width));
  drawn_ = true;
}

}  // namespace bitnetc
