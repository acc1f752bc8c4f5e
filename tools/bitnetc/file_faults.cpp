#include "tools/bitnetc/file_faults.h"

#include <fcntl.h>
#include <signal.h>
#include <unistd.h>

#include <atomic>
#include <cerrno>
#include <cstddef>
#include <cstdint>
#include <span>
#include <string_view>

#include "runtime/temporary_files.h"
#include "tools/bitnetc/commands.h"

namespace bitnetc {
namespace {

// What follows is called from a signal handler: no memory is allocated, no lock is taken.

// Of a line of /proc/self/maps, or as much of it as there is room for.
struct MapsLine {
  static constexpr size_t kMostBytes = 4096 + 128;  // the longest path, and what stands before it
  char text[kMostBytes];
  size_t size = 0;

  void append(char c) {
    if (size < kMostBytes) text[size++] = c;
  }
  std::string_view view() const { return {text, size}; }
};

// Reads a hexadecimal number from the beginning of `text` and takes it off.
uintptr_t take_hex(std::string_view& text) {
  uintptr_t value = 0;
  while (!text.empty()) {
    const char c = text.front();
    const bool is_digit = c >= '0' && c <= '9', is_letter = c >= 'a' && c <= 'f';
    if (!is_digit && !is_letter) break;
    value = value << 4 | static_cast<uintptr_t>(is_digit ? c - '0' : c - 'a' + 10);
    text.remove_prefix(1);
  }
  return value;
}

// "7f00-7f10 r--p 00000000 08:01 1234   /path": the path, if `address` lies in the range.
std::string_view path_in(std::string_view line, uintptr_t address) {
  const uintptr_t begin = take_hex(line);
  if (!line.empty()) line.remove_prefix(1);
  const uintptr_t end = take_hex(line);
  const size_t path = line.find('/');
  return address >= begin && address < end && path != line.npos ? line.substr(path)
                                                                : std::string_view();
}

// The file that is mapped at `address`, in `line`; empty where /proc does not say.
std::string_view mapped_file(uintptr_t address, MapsLine& line) {
  const int fd = ::open("/proc/self/maps", O_RDONLY | O_CLOEXEC);
  if (fd < 0) return {};
  char block[1024];
  while (true) {
    const ssize_t count = ::read(fd, block, sizeof block);
    if (count < 0 && errno == EINTR) continue;
    if (count <= 0) break;
    for (ssize_t i = 0; i < count; ++i) {
      if (block[i] != '\n') {
        line.append(block[i]);
        continue;
      }
      const std::string_view path = path_in(line.view(), address);
      if (!path.empty()) {
        ::close(fd);
        return path;
      }
      line.size = 0;
    }
  }
  ::close(fd);
  return {};
}

void write_to_stderr(std::string_view text) {
  [[maybe_unused]] const ssize_t written = ::write(STDERR_FILENO, text.data(), text.size());
}

// A start-up proof that is running has a handler of its own before this one.
void on_bus_error(int, siginfo_t* info, void*) {
  // Several threads may read the file; the first one speaks for all.
  static std::atomic_flag is_told;
  if (is_told.test_and_set())
    while (true) ::pause();
  static MapsLine line;  // too large for the stack of a thread that may have little left
  const std::string_view path = mapped_file(reinterpret_cast<uintptr_t>(info->si_addr), line);
  write_to_stderr("bitnetc: ");
  if (path.empty()) {
    write_to_stderr("a model file");
  } else {
    // The kernel writes a newline as \012; other control characters are not for a terminal.
    for (char& c : std::span(line.text, line.size))
      if (static_cast<unsigned char>(c) < 0x20 || c == 0x7f) c = '?';
    write_to_stderr(path);
  }
  write_to_stderr(": was cut short, or its disk failed, while it was read\n");
  remove_temporary_files();
  ::_exit(kExitBadModel);
}

}  // namespace

void install_file_fault_handlers() {
  struct sigaction action = {};
  action.sa_sigaction = on_bus_error;
  action.sa_flags = SA_SIGINFO;
  ::sigaction(SIGBUS, &action, nullptr);
  ::signal(SIGXFSZ, SIG_IGN);
}

}  // namespace bitnetc
