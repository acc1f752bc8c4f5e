#include "tools/bitnetc/file_faults.h"

#include <signal.h>
#include <unistd.h>

#include <string_view>

#include "runtime/temporary_files.h"
#include "tools/bitnetc/commands.h"

namespace bitnetc {
namespace {

// Only what a signal handler may call. A start-up proof that is running has a handler of its own
// before this one.
void on_bus_error(int) {
  constexpr std::string_view kMessage =
      "bitnetc: a model file was cut short, or its disk failed, while it was read\n";
  [[maybe_unused]] const ssize_t written = ::write(STDERR_FILENO, kMessage.data(), kMessage.size());
  remove_temporary_files();
  ::_exit(kExitBadModel);
}

}  // namespace

void install_file_fault_handlers() {
  ::signal(SIGBUS, on_bus_error);
  ::signal(SIGXFSZ, SIG_IGN);
}

}  // namespace bitnetc
