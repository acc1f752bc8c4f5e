#include "tools/bitnetc/signals.h"

#include <sys/eventfd.h>
#include <termios.h>
#include <unistd.h>

#include <cerrno>
#include <csignal>
#include <ctime>

#include "runtime/temporary_files.h"

namespace bitnetc {
namespace {

constexpr long kGraceNs = 150'000'000, kReportGraceNs = 5'000'000'000;

std::atomic<bool> g_interrupted{false};
std::atomic<int> g_signal{0};
std::atomic<long> g_grace_ns{kGraceNs};
std::atomic<bool> g_interrupts_parts{false};
CancelToken g_part_stop{false};
std::atomic<int> g_wake_fd{-1}, g_kept_terminal{-1};
termios g_terminal_mode = {};
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
  if (const int fd = g_kept_terminal.load(); fd >= 0) ::tcsetattr(fd, TCSANOW, &g_terminal_mode);
  remove_temporary_files();
  ::_exit(128 + signal);
}

void wake() {
  const int error = errno;
  const uint64_t one = 1;
  // A counter that is full can be read all the more.
  if (const int fd = g_wake_fd.load(); fd >= 0) (void)!::write(fd, &one, sizeof one);
  errno = error;
}

void on_stop_signal(int signal) {
  g_part_stop.store(true, std::memory_order_relaxed);
  if (signal == SIGINT && g_interrupts_parts.load()) return wake();
  int none = 0;
  if (!g_signal.compare_exchange_strong(none, signal)) end_now(signal);
  g_interrupted.store(true, std::memory_order_relaxed);
  set_grace_timer(g_grace_ns.load());
  wake();
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

void interrupt_parts() {
  g_wake_fd.store(::eventfd(0, EFD_CLOEXEC | EFD_NONBLOCK));
  g_part_stop.store(interrupted());
  g_interrupts_parts.store(true);
  for (const int signal : {SIGWINCH, SIGCONT}) handle(signal, [](int) { wake(); });
  handle(SIGQUIT, on_stop_signal);  // else it would leave the terminal as the parts have it
}

CancelToken& part_stop() {
  return g_part_stop;
}

int signal_wake_fd() {
  return g_wake_fd.load();
}

void keep_terminal(int fd) {
  if (::tcgetattr(fd, &g_terminal_mode) == 0) g_kept_terminal.store(fd);
}

int signal_exit_code() {
  return g_signal.load() == 0 ? 0 : 128 + g_signal.load();
}

}  // namespace bitnetc
