#include "tests/support/subprocess.h"

#include <fcntl.h>
#include <poll.h>
#include <signal.h>
#include <stdlib.h>
#include <sys/ioctl.h>
#include <sys/wait.h>
#include <unistd.h>

#include <chrono>
#include <cstring>
#include <stdexcept>

namespace bitnetc::test {
namespace {

struct Pipe {
  int read_end = -1, write_end = -1;
  Pipe() {
    int ends[2];
    if (::pipe2(ends, O_CLOEXEC) != 0) throw std::runtime_error(std::strerror(errno));
    read_end = ends[0], write_end = ends[1];
  }
  ~Pipe() {
    for (int* end : {&read_end, &write_end}) close(*end);
  }
  static void close(int& end) {
    if (end >= 0) ::close(end);
    end = -1;
  }
};

// Makes `fd` what `name` says; empty: closed.
void redirect(int fd, const std::optional<std::string>& name) {
  if (!name) return;
  ::close(fd);
  if (name->empty()) return;
  const int opened = ::open(name->c_str(), O_WRONLY | O_NOCTTY);
  if (opened != fd) {
    ::dup2(opened, fd);
    ::close(opened);
  }
}

// A terminal of a width; what is written to `name` is read from `master`.
struct Terminal {
  int master = -1;
  std::string name;
  explicit Terminal(int columns) {
    if (columns == 0) return;
    master = ::posix_openpt(O_RDWR | O_NOCTTY | O_CLOEXEC);
    if (master < 0 || ::grantpt(master) != 0 || ::unlockpt(master) != 0)
      throw std::runtime_error(std::strerror(errno));
    name = ::ptsname(master);
    winsize size = {};
    size.ws_row = 24, size.ws_col = static_cast<unsigned short>(columns);
    ::ioctl(master, TIOCSWINSZ, &size);
    hold_ = ::open(name.c_str(), O_RDWR | O_NOCTTY | O_CLOEXEC);  // so that the size stays
  }
  ~Terminal() {
    if (master >= 0) ::close(master);
    release();
  }
  void release() {
    if (hold_ >= 0) ::close(hold_);
    hold_ = -1;
  }

 private:
  int hold_ = -1;
};

[[noreturn]] void run_child(const std::string& program, const ProcessOptions& options,
                            const Pipe& in, const Pipe& out, const Pipe& err,
                            const std::string& terminal) {
  ::dup2(in.read_end, STDIN_FILENO);
  ::dup2(out.write_end, STDOUT_FILENO);
  ::dup2(err.write_end, STDERR_FILENO);
  redirect(STDOUT_FILENO, options.stdout_to);
  redirect(STDERR_FILENO, options.stderr_to);
  if (!terminal.empty())
    for (const int fd : {STDOUT_FILENO, STDERR_FILENO}) redirect(fd, terminal);
  // Whatever the tests inherit: a shell's background jobs ignore SIGINT.
  ::signal(SIGINT, options.ignores_interrupts ? SIG_IGN : SIG_DFL);
  for (const int each : {SIGHUP, SIGTERM}) ::signal(each, SIG_DFL);
  std::vector<std::string> environment = {"PATH=/usr/bin:/bin"};
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

ProcessResult run_program(const std::string& program, const ProcessOptions& options) {
  Pipe in, out, err;
  Terminal terminal(options.terminal_columns);
  const pid_t child = ::fork();
  if (child < 0) throw std::runtime_error(std::strerror(errno));
  if (child == 0) run_child(program, options, in, out, err, terminal.name);
  Pipe::close(in.read_end);
  Pipe::close(out.write_end);
  Pipe::close(err.write_end);
  // Inputs of the tests are smaller than a pipe's buffer.
  if (::write(in.write_end, options.input.data(), options.input.size()) < 0 && errno != EPIPE)
    throw std::runtime_error(std::strerror(errno));
  if (!options.keeps_input_open) Pipe::close(in.write_end);

  ProcessResult result;
  const auto start = std::chrono::steady_clock::now();
  bool interrupted = options.interrupt_after_ms == 0;
  auto signalled_at = start;
  pollfd polled[] = {{terminal.master >= 0 ? terminal.master : out.read_end, POLLIN, 0},
                     {err.read_end, POLLIN, 0}};
  while (polled[0].fd >= 0 || polled[1].fd >= 0) {
    ::poll(polled, 2, 20);
    if (polled[1].fd < 0) terminal.release();  // now the child holds it alone
    const auto elapsed = std::chrono::steady_clock::now() - start;
    if (!interrupted && elapsed > std::chrono::milliseconds(options.interrupt_after_ms)) {
      ::kill(child, options.signal);
      if (options.signal_twice) ::kill(child, options.signal);
      interrupted = true;
      signalled_at = std::chrono::steady_clock::now();
    }
    for (pollfd& stream : polled) {
      if (stream.fd < 0 || stream.revents == 0) continue;
      char block[4096];
      const ssize_t count = ::read(stream.fd, block, sizeof block);
      if (count <= 0) {
        stream.fd = -1;
        continue;
      }
      if (&stream == &polled[0] && result.out.empty() && options.on_output) options.on_output();
      (&stream == &polled[0] ? result.out : result.err).append(block, static_cast<size_t>(count));
    }
  }
  int status = 0;
  ::waitpid(child, &status, 0);
  if (interrupted)
    result.ended_after_ms = static_cast<int>(std::chrono::duration_cast<std::chrono::milliseconds>(
                                                 std::chrono::steady_clock::now() - signalled_at)
                                                 .count());
  result.exit_code = WIFEXITED(status) ? WEXITSTATUS(status) : 128 + WTERMSIG(status);
  return result;
}

}  // namespace bitnetc::test
