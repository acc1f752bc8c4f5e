#include "tests/support/terminal_program.h"

#include <fcntl.h>
#include <poll.h>
#include <signal.h>
#include <stdlib.h>
#include <sys/ioctl.h>
#include <sys/wait.h>
#include <termios.h>
#include <unistd.h>

#include <cerrno>
#include <chrono>
#include <cstring>
#include <stdexcept>

namespace bitnetc::test {
namespace {

constexpr std::chrono::seconds kPatience(30);

[[noreturn]] void run_on_terminal(const std::string& program, const TerminalOptions& options,
                                  const std::string& terminal) {
  ::setsid();
  const int fd = ::open(terminal.c_str(), O_RDWR);  // of a new session: its terminal
  for (const int standard : {STDIN_FILENO, STDOUT_FILENO, STDERR_FILENO}) ::dup2(fd, standard);
  if (fd > STDERR_FILENO) ::close(fd);
  for (const int each : {SIGINT, SIGHUP, SIGTERM, SIGQUIT}) ::signal(each, SIG_DFL);
  std::vector<std::string> environment = {"PATH=/usr/bin:/bin", "TERM=xterm"};
  for (const auto& [name, value] : options.environment) environment.push_back(name + "=" + value);
  std::vector<char*> argv = {const_cast<char*>(program.c_str())}, envp;
  for (const std::string& argument : options.arguments)
    argv.push_back(const_cast<char*>(argument.c_str()));
  for (std::string& entry : environment) envp.push_back(entry.data());
  argv.push_back(nullptr);
  envp.push_back(nullptr);
  ::execve(program.c_str(), argv.data(), envp.data());
  ::_exit(127);
}

}  // namespace

TerminalProgram::TerminalProgram(const std::string& program, const TerminalOptions& options) {
  master_ = ::posix_openpt(O_RDWR | O_NOCTTY | O_CLOEXEC);
  if (master_ < 0 || ::grantpt(master_) != 0 || ::unlockpt(master_) != 0)
    throw std::runtime_error(std::strerror(errno));
  const std::string name = ::ptsname(master_);
  held_ = ::open(name.c_str(), O_RDWR | O_NOCTTY | O_CLOEXEC);  // so that its mode outlives the end
  resize(options.columns);
  child_ = ::fork();
  if (child_ < 0) throw std::runtime_error(std::strerror(errno));
  if (child_ == 0) run_on_terminal(program, options, name);
}

TerminalProgram::~TerminalProgram() {
  if (child_ > 0) {
    ::kill(child_, SIGKILL);
    ::waitpid(child_, nullptr, 0);
  }
  ::close(held_);
  ::close(master_);
}

void TerminalProgram::type(std::string_view keys) {
  while (!keys.empty()) {
    const ssize_t count = ::write(master_, keys.data(), keys.size());
    if (count < 0 && errno != EINTR) throw std::runtime_error(std::strerror(errno));
    if (count > 0) keys.remove_prefix(static_cast<size_t>(count));
  }
}

bool TerminalProgram::read_more(int timeout_ms) {
  pollfd polled = {master_, POLLIN, 0};
  if (::poll(&polled, 1, timeout_ms) <= 0) return false;
  char block[4096];
  const ssize_t count = ::read(master_, block, sizeof block);
  if (count <= 0) return false;
  screen_.append(block, static_cast<size_t>(count));
  return true;
}

bool TerminalProgram::wait_for(std::string_view text) {
  const auto give_up = std::chrono::steady_clock::now() + kPatience;
  while (std::chrono::steady_clock::now() < give_up) {
    if (const size_t at = screen_.find(text, waited_to_); at != screen_.npos) {
      waited_to_ = at + text.size();
      return true;
    }
    read_more(50);
  }
  return false;
}

void TerminalProgram::signal(int number) const {
  ::kill(child_, number);
}

void TerminalProgram::resize(int columns, int rows) {
  winsize size = {};
  size.ws_row = static_cast<unsigned short>(rows),
  size.ws_col = static_cast<unsigned short>(columns);
  ::ioctl(master_, TIOCSWINSZ, &size);
}

bool TerminalProgram::is_cooked() const {
  termios mode = {};
  return ::tcgetattr(held_, &mode) == 0 && (mode.c_lflag & ICANON) != 0 &&
         (mode.c_lflag & ECHO) != 0;
}

int TerminalProgram::wait() {
  const auto give_up = std::chrono::steady_clock::now() + kPatience;
  int status = 0;
  while (::waitpid(child_, &status, WNOHANG) == 0) {
    if (std::chrono::steady_clock::now() > give_up) return -1;
    read_more(20);
  }
  child_ = -1;
  while (read_more(0)) continue;
  return WIFEXITED(status) ? WEXITSTATUS(status) : 128 + WTERMSIG(status);
}

}  // namespace bitnetc::test
