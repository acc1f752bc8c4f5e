#include "runtime/kernel_cache.h"

#include <gtest/gtest.h>

#include <atomic>
#include <chrono>
#include <stdexcept>
#include <thread>
#include <vector>

namespace bitnetc {
namespace {

constexpr int kThreads = 8;

void nothing(const void*, const void*) {}

Kernel kernel_named(const std::string& name) {
  return Kernel(name, nothing, nullptr, std::make_shared<int>(0));
}

// Starts all threads at the same moment.
void race(const std::function<void(int thread)>& work) {
  std::atomic<int> waiting{0};
  std::vector<std::thread> threads;
  for (int i = 0; i < kThreads; ++i) {
    threads.emplace_back([&, i] {
      ++waiting;
      while (waiting < kThreads) std::this_thread::yield();
      work(i);
    });
  }
  for (std::thread& thread : threads) thread.join();
}

TEST(KernelCache, RacingAskersShareOneBuild) {
  KernelCache cache;
  std::atomic<int> builds{0};
  race([&](int) {
    for (int round = 0; round < 100; ++round) {
      const std::string name = std::to_string(round);
      const Result<Kernel> kernel = cache.get_or_build(name, [&]() -> Result<Kernel> {
        ++builds;
        std::this_thread::sleep_for(std::chrono::microseconds(200));
        return kernel_named(name);
      });
      ASSERT_TRUE(kernel.ok());
      ASSERT_EQ(kernel->name(), name);
    }
  });
  EXPECT_EQ(builds, 100);
  EXPECT_EQ(cache.size(), 100u);
}

TEST(KernelCache, ABuildDoesNotHoldUpOtherNames) {
  KernelCache cache;
  const Result<Kernel> outer = cache.get_or_build("outer", [&]() -> Result<Kernel> {
    EXPECT_TRUE(cache.get_or_build("inner", [] { return kernel_named("inner"); }).ok());
    return kernel_named("outer");
  });
  EXPECT_TRUE(outer.ok());
  EXPECT_EQ(cache.size(), 2u);
}

TEST(KernelCache, AFailureReachesEveryWaiterAndIsForgotten) {
  KernelCache cache;
  std::atomic<int> builds{0}, failures{0};
  race([&](int) {
    const Result<Kernel> kernel = cache.get_or_build("k", [&]() -> Result<Kernel> {
      const int number = ++builds;
      std::this_thread::sleep_for(std::chrono::milliseconds(20));
      return make_error(StatusCode::kDisqualified, "build {} failed", number);
    });
    if (!kernel.ok() && kernel.status().code() == StatusCode::kDisqualified) ++failures;
  });
  EXPECT_EQ(failures, kThreads);
  EXPECT_GE(builds, 1);
  EXPECT_EQ(cache.size(), 0u);

  const Result<Kernel> retried = cache.get_or_build("k", [] { return kernel_named("k"); });
  EXPECT_TRUE(retried.ok());
  EXPECT_EQ(cache.size(), 1u);
}

TEST(KernelCache, AnExceptionReachesEveryWaiterAndIsForgotten) {
  KernelCache cache;
  std::atomic<int> caught{0};
  race([&](int) {
    try {
      (void)cache.get_or_build("k", []() -> Result<Kernel> {
        std::this_thread::sleep_for(std::chrono::milliseconds(5));
        throw std::runtime_error("generator bug");
      });
    } catch (const std::runtime_error&) {
      ++caught;
    }
  });
  EXPECT_EQ(caught, kThreads);
  EXPECT_TRUE(cache.get_or_build("k", [] { return kernel_named("k"); }).ok());
}

TEST(KernelCache, TheCacheKeepsTheCodeAlive) {
  auto owner = std::make_shared<int>(7);
  const std::weak_ptr<int> watch = owner;
  {
    KernelCache cache;
    ASSERT_TRUE(cache.get_or_build("k", [&] { return Kernel("k", nothing, nullptr, owner); }).ok());
    owner.reset();
    EXPECT_FALSE(watch.expired());
  }
  EXPECT_TRUE(watch.expired());
}

}  // namespace
}  // namespace bitnetc
