#include "runtime/fault_guard.h"

#include <setjmp.h>
#include <signal.h>

#include <mutex>

namespace bitnetc {
namespace {

constexpr int kSignals[] = {SIGILL, SIGSEGV, SIGBUS, SIGFPE};
constexpr int kSignalCount = sizeof kSignals / sizeof kSignals[0];

struct sigaction previous_actions[kSignalCount];

// Where the guarded function of this thread returns to when it crashes; null outside run_guarded().
thread_local sigjmp_buf* escape = nullptr;

// What would have happened without us.
void pass_on(int signal_number, siginfo_t* info, void* context) {
  for (int i = 0; i < kSignalCount; ++i) {
    if (kSignals[i] != signal_number) continue;
    const struct sigaction& previous = previous_actions[i];
    if (previous.sa_flags & SA_SIGINFO) {
      previous.sa_sigaction(signal_number, info, context);
    } else if (previous.sa_handler == SIG_DFL || previous.sa_handler == SIG_IGN) {
      // Returning runs the faulting instruction again, this time to its default end; a signal that
      // was sent from outside is sent once more.
      sigaction(signal_number, &previous, nullptr);
      if (info->si_code <= 0) raise(signal_number);
    } else {
      previous.sa_handler(signal_number);
    }
  }
}

// A signal with a positive code was raised by an instruction of this thread.
void on_signal(int signal_number, siginfo_t* info, void* context) {
  if (escape && info->si_code > 0) siglongjmp(*escape, signal_number);
  pass_on(signal_number, info, context);
}

void install_handlers() {
  struct sigaction action = {};
  action.sa_sigaction = on_signal;
  action.sa_flags = SA_SIGINFO | SA_ONSTACK;
  sigemptyset(&action.sa_mask);
  for (int i = 0; i < kSignalCount; ++i) sigaction(kSignals[i], &action, &previous_actions[i]);
}

}  // namespace

int run_guarded(GuardedFunction function, void* state) {
  static std::once_flag installed;
  std::call_once(installed, install_handlers);

  sigjmp_buf here;
  sigjmp_buf* const outer = escape;
  // The mask is saved: the signal is blocked inside its handler, and we leave it by a jump.
  const int signal_number = sigsetjmp(here, 1);
  if (signal_number == 0) {
    escape = &here;
    function(state);
  }
  escape = outer;
  return signal_number;
}

}  // namespace bitnetc
