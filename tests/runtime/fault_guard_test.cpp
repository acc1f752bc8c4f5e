#include "runtime/fault_guard.h"

#include <gtest/gtest.h>
#include <signal.h>

#include <thread>
#include <vector>

namespace bitnetc {
namespace {

void crash(void*) {
#if defined(__x86_64__)
  __asm__ volatile("ud2");
#else
  __builtin_trap();
#endif
}

struct sigaction handler_of(int signal) {
  struct sigaction action = {};
  ::sigaction(signal, nullptr, &action);
  return action;
}

TEST(FaultGuard, CatchesACrashAndPutsTheHandlersBack) {
  struct sigaction own = {}, before = {};
  own.sa_handler = [](int) {};
  ::sigaction(SIGILL, &own, &before);
  const auto bus_before = handler_of(SIGBUS).sa_handler;
  EXPECT_EQ(run_guarded(crash, nullptr), SIGILL);
  EXPECT_EQ(handler_of(SIGILL).sa_handler, own.sa_handler);
  EXPECT_EQ(handler_of(SIGBUS).sa_handler, bus_before);
  ::sigaction(SIGILL, &before, nullptr);
}

TEST(FaultGuard, AGuardedFunctionMayGuardAnother) {
  const auto outer = [](void* state) {
    *static_cast<int*>(state) = run_guarded(crash, nullptr);
    crash(nullptr);
  };
  int inner = 0;
  EXPECT_EQ(run_guarded(outer, &inner), SIGILL);
  EXPECT_EQ(inner, SIGILL);
}

TEST(FaultGuard, ManyThreadsAtOnce) {
  std::vector<std::thread> threads;
  std::vector<int> caught(4);
  for (int& count : caught)
    threads.emplace_back([&count] {
      for (int i = 0; i < 500; ++i) count += run_guarded(crash, nullptr) == SIGILL;
    });
  for (std::thread& thread : threads) thread.join();
  EXPECT_EQ(caught, std::vector<int>(4, 500));
}

TEST(FaultGuard, AHandlerInstalledMeanwhileStays) {
  struct sigaction before = handler_of(SIGFPE);
  const auto install = [](void*) { ::signal(SIGFPE, SIG_IGN); };
  EXPECT_EQ(run_guarded(install, nullptr), 0);
  EXPECT_EQ(handler_of(SIGFPE).sa_handler, SIG_IGN);
  ::sigaction(SIGFPE, &before, nullptr);
}

}  // namespace
}  // namespace bitnetc
