#include "tests/support/subprocess.h"

#include <fcntl.h>
#include <poll.h>
#include <signal.h>
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

[[noreturn]] void run_child(const std::string& program, const ProcessOptions& options,
                            const Pipe& in, const Pipe& out, const Pipe& err) {
  ::dup2(in.read_end, STDIN_FILENO);
  ::dup2(out.write_end, STDOUT_FILENO);
  ::dup2(err.write_end, STDERR_FILENO);
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
  const pid_t child = ::fork();
  if (child < 0) throw std::runtime_error(std::strerror(errno));
  if (child == 0) run_child(program, options, in, out, err);
  Pipe::close(in.read_end);
  Pipe::close(out.write_end);
  Pipe::close(err.write_end);
  // Inputs of the tests are smaller than a pipe's buffer.
  if (::write(in.write_end, options.input.data(), options.input.size()) < 0 && errno != EPIPE)
    throw std::runtime_error(std::strerror(errno));
  Pipe::close(in.write_end);

  ProcessResult result;
  const auto start = std::chrono::steady_clock::now();
  bool interrupted = options.interrupt_after_ms == 0;
  pollfd polled[] = {{out.read_end, POLLIN, 0}, {err.read_end, POLLIN, 0}};
  while (polled[0].fd >= 0 || polled[1].fd >= 0) {
    ::poll(polled, 2, 20);
    const auto elapsed = std::chrono::steady_clock::now() - start;
    if (!interrupted && elapsed > std::chrono::milliseconds(options.interrupt_after_ms)) {
      ::kill(child, SIGINT);
      interrupted = true;
    }
    for (pollfd& stream : polled) {
      if (stream.fd < 0 || stream.revents == 0) continue;
      char block[4096];
      const ssize_t count = ::read(stream.fd, block, sizeof block);
      if (count <= 0) {
        stream.fd = -1;
        continue;
      }
      (&stream == &polled[0] ? result.out : result.err).append(block, static_cast<size_t>(count));
    }
  }
  int status = 0;
  ::waitpid(child, &status, 0);
  result.exit_code = WIFEXITED(status) ? WEXITSTATUS(status) : 128 + WTERMSIG(status);
  return result;
}

}  // namespace bitnetc::test
