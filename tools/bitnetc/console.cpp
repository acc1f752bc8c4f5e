#include "tools/bitnetc/console.h"

#include <fcntl.h>
#include <unistd.h>

#include <cerrno>
#include <csignal>
#include <cstdio>
#include <cstring>

#include "runtime/output_file.h"
#include "tools/bitnetc/commands.h"

namespace bitnetc {
namespace {

std::atomic<bool> g_interrupted{false};
static_assert(std::atomic<bool>::is_always_lock_free, "set from a signal handler");

int exit_code_for(StatusCode code) {
  switch (code) {
    case StatusCode::kOk: return kExitOk;
    case StatusCode::kInvalidArgument: return kExitUsage;
    case StatusCode::kNotFound:
    case StatusCode::kDataCorrupt:
    case StatusCode::kUnsupported: return kExitBadModel;
    case StatusCode::kDisqualified: return kExitCheckFailed;
    case StatusCode::kCancelled: return kExitInterrupted;
    case StatusCode::kIoError:
    case StatusCode::kOutOfMemory: return kExitFailure;
  }
  return kExitFailure;
}

}  // namespace

bool stdout_is_terminal() {
  return ::isatty(STDOUT_FILENO) == 1;
}
bool stderr_is_terminal() {
  return ::isatty(STDERR_FILENO) == 1;
}

int report_failure(const Status& status) {
  fmt::print(stderr, "bitnetc: {}\n", status.message());
  return exit_code_for(status.code());
}

int exit_code_of(const Status& status) {
  return status.ok() ? static_cast<int>(kExitOk) : report_failure(status);
}

void print_note(const std::string& text) {
  fmt::print(stderr, "note: {}\n", text);
}

void install_interrupt_handler() {
  struct sigaction action = {};
  action.sa_handler = [](int) { g_interrupted.store(true, std::memory_order_relaxed); };
  action.sa_flags = static_cast<int>(SA_RESETHAND);
  ::sigaction(SIGINT, &action, nullptr);
}

const std::atomic<bool>& interrupted() {
  return g_interrupted;
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
  if (drawn_) fmt::print(stderr, "\r\033[K");
  drawn_ = false;
}

void ProgressBar::update(int done, int total, const std::string& detail) {
  if (!stderr_is_terminal()) return;
  constexpr int kWidth = 30;
  const int filled = total > 0 ? kWidth * done / total : 0;
  fmt::print(stderr, "\r\033[K{} [{:#<{}}{: <{}}] {}/{} {:.40}", title_, "", filled, "",
             kWidth - filled, done, total, detail);
  std::fflush(stderr);
  drawn_ = true;
}

Result<std::string> read_text(const std::string& path) {
  const bool is_stdin = path == "-";
  const int fd = is_stdin ? STDIN_FILENO : ::open(path.c_str(), O_RDONLY | O_CLOEXEC);
  if (fd < 0) {
    return make_error(errno == ENOENT ? StatusCode::kNotFound : StatusCode::kIoError, "{}: {}",
                      path, std::strerror(errno));
  }
  std::string text;
  char block[1 << 16];
  ssize_t count;
  while ((count = ::read(fd, block, sizeof block)) > 0)
    text.append(block, static_cast<size_t>(count));
  const int read_errno = errno;
  if (!is_stdin) ::close(fd);
  if (count < 0)
    return make_error(StatusCode::kIoError, "{}: cannot read: {}", path, std::strerror(read_errno));
  return text;
}

Status write_text(const std::string& path, const std::string& text) {
  return write_output(path, text);
}

Result<std::string> resolve_text(const TextInput& input, const char* what) {
  if (input.has_text) return input.text;
  if (!input.file.empty()) return read_text(input.file);
  if (::isatty(STDIN_FILENO) == 1) {
    return make_error(StatusCode::kInvalidArgument,
                      "no {}: give it with -p TEXT, with -f FILE, or through a pipe", what);
  }
  return read_text("-");
}

}  // namespace bitnetc
