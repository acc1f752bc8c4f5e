#include "tests/support/kernel_call.h"

#include <cstring>

#include "runtime/fault_guard.h"
#include "tests/support/abi_trampoline.h"

namespace bitnetc::test {

std::string call_kernel(const Kernel& kernel, const void* args) {
  struct Call {
    const Kernel& kernel;
    const void* args;
    std::string broken;
  } call{kernel, args, {}};
  const int signal_number = run_guarded(
      [](void* state) {
        Call& c = *static_cast<Call*>(state);
        c.broken = call_and_check_abi(c.kernel.entry(), c.args, c.kernel.context());
      },
      &call);
  if (signal_number != 0)
    return kernel.name() + ": raised " + std::string(strsignal(signal_number));
  return call.broken.empty() ? std::string() : kernel.name() + ": " + call.broken;
}

}  // namespace bitnetc::test
