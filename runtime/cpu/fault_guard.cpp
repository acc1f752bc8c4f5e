#include "runtime/fault_guard.h"

#include <setjmp.h>
#include <signal.h>

#include <mutex>

namespace bitnetc {
namespace {

constexpr int kSignals[] = {SIGILL, SIGSEGV, SIGBUS, SIGFPE};
constexpr int kSignalCount = sizeof kSignals / sizeof kSignals[0];

std::mutex
    guards_mutex;  // guards what follows; the handlers read previous_actions while guards > 0
int guards = 0;    // guarded functions that run now, in all threads
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

void enter_guard() {
  const std::lock_guard lock(guards_mutex);
  if (guards++ > 0) return;
  struct sigaction action = {};
  action.sa_sigaction = on_signal;
  action.sa_flags = SA_SIGINFO | SA_ONSTACK;
  sigemptyset(&action.sa_mask);
  for (int i = 0; i < kSignalCount; ++i) sigaction(kSignals[i], &action, &previous_actions[i]);
}

void leave_guard() {
  const std::lock_guard lock(guards_mutex);
  if (--guards > 0) return;
  for (int i = 0; i < kSignalCount; ++i) {
    struct sigaction current = {};
    sigaction(kSignals[i], nullptr, &current);
    const bool is_ours = (current.sa_flags & SA_SIGINFO) != 0 && current.sa_sigaction == on_signal;
    if (is_ours) sigaction(kSignals[i], &previous_actions[i], nullptr);
  }
}

}  // namespace

int run_guarded(GuardedFunction function, void* state) {
  enter_guard();
  sigjmp_buf here;
  sigjmp_buf* const outer = escape;
  // The mask is saved: the signal is blocked inside its handler, and we leave it by a jump.
  const int signal_number = sigsetjmp(here, 1);
  if (signal_number == 0) {
    escape = &here;
    function(state);
  }
  escape = outer;
  leave_guard();
  return signal_number;
}

}  // namespace bitnetc
