#include "tools/bitnetc/signals.h"

#include <unistd.h>

#include <csignal>
#include <ctime>

#include "runtime/temporary_files.h"

namespace bitnetc {
namespace {

constexpr long kGraceNs = 150'000'000, kReportGraceNs = 5'000'000'000;

std::atomic<bool> g_interrupted{false};
std::atomic<int> g_signal{0};
std::atomic<long> g_grace_ns{kGraceNs};
timer_t g_grace_timer;
static_assert(std::atomic<bool>::is_always_lock_free && std::atomic<int>::is_always_lock_free,
              "set from a signal handler");

void set_grace_timer(long nanoseconds) {
  itimerspec grace = {};
  grace.it_value = {.tv_sec = nanoseconds / 1'000'000'000, .tv_nsec = nanoseconds % 1'000'000'000};
  ::timer_settime(g_grace_timer, 0, &grace, nullptr);
}

// Only what a signal handler may call.
[[noreturn]] void end_now(int signal) {
  remove_temporary_files();
  ::_exit(128 + signal);
}

void on_stop_signal(int signal) {
  int none = 0;
  if (!g_signal.compare_exchange_strong(none, signal)) end_now(signal);
  g_interrupted.store(true, std::memory_order_relaxed);
  set_grace_timer(g_grace_ns.load());
}

void handle(int signal, void (*handler)(int)) {
  struct sigaction before = {};
  if (::sigaction(signal, nullptr, &before) == 0 && before.sa_handler == SIG_IGN) return;
  struct sigaction action = {};
  action.sa_handler = handler;
  action.sa_flags = SA_RESTART;
  ::sigaction(signal, &action, nullptr);
}

}  // namespace

void install_signal_handlers() {
  sigevent event = {};
  event.sigev_notify = SIGEV_SIGNAL;
  event.sigev_signo = SIGALRM;
  // Without a timer (the kernel refuses one) signals end the process as they always did.
  if (::timer_create(CLOCK_MONOTONIC, &event, &g_grace_timer) == 0) {
    struct sigaction over = {};
    over.sa_handler = [](int) { end_now(g_signal.load()); };
    ::sigaction(SIGALRM, &over, nullptr);
    for (const int signal : {SIGINT, SIGTERM, SIGHUP}) handle(signal, on_stop_signal);
  }
  // A reader that goes away is an error of write(), after which the command ends cleanly.
  ::signal(SIGPIPE, SIG_IGN);
}

const std::atomic<bool>& interrupted() {
  return g_interrupted;
}

void request_stop() {
  g_interrupted.store(true, std::memory_order_relaxed);
}

void give_time_to_report() {
  g_grace_ns.store(kReportGraceNs);
}

void stop_gracefully() {
  if (g_signal.load() != 0) set_grace_timer(0);
}

int signal_exit_code() {
  return g_signal.load() == 0 ? 0 : 128 + g_signal.load();
}

}  // namespace bitnetc
