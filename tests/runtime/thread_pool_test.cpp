#include "runtime/thread_pool.h"

#include <fmt/format.h>
#include <gtest/gtest.h>
#include <sched.h>
#include <sys/resource.h>

#include <atomic>
#include <chrono>
#include <numeric>
#include <stdexcept>
#include <string>
#include <system_error>
#include <thread>
#include <vector>

#include "tests/support/child_process.h"
#include "tests/support/sanitizers.h"

namespace bitnetc {
namespace {

using Clock = std::chrono::steady_clock;

TEST(ThreadPool, EveryMemberRunsOnceARun) {
  for (int threads : {1, 2, 3, 7}) {
    ThreadPool pool(threads, false);
    ASSERT_EQ(pool.size(), threads);
    std::vector<int> counts(static_cast<size_t>(threads));  // plain: run() orders what it does
    for (int run = 0; run < 200; ++run)
      pool.run([&](int member) { ++counts[static_cast<size_t>(member)]; });
    for (int count : counts) EXPECT_EQ(count, 200);
  }
}

// A limit on address space leaves room for the stacks of a few threads only.
TEST(ThreadPool, MakesDoWithFewerThreadsWhereTheSystemRefuses) {
  if (test::kIsSanitized) {
    std::printf("SKIPPED: a sanitizer reserves more address space than the test may leave\n");
    GTEST_SKIP() << "a sanitizer needs the address space";
  }
  const std::string wrong = test::in_child([]() -> std::string {
    constexpr int kMany = 512;  // at 8 MiB of stack each
    const rlimit limit = {.rlim_cur = rlim_t{1} << 30, .rlim_max = rlim_t{1} << 30};
    if (::setrlimit(RLIMIT_AS, &limit) != 0) return "cannot set the limit";
    try {
      const ThreadPool pool(kMany, false);
      return "";  // small stacks: nothing was refused
    } catch (const std::system_error&) {
    }
    const auto pool = ThreadPool::at_most(kMany, false);
    std::atomic<int> members{0};
    pool->run([&](int) { ++members; });
    if (pool->size() >= kMany || pool->size() < 1) return fmt::format("size {}", pool->size());
    return members == pool->size() ? "" : "not all members ran";
  });
  EXPECT_EQ(wrong, "");
  EXPECT_EQ(ThreadPool::at_most(3, false)->size(), 3);
}

TEST(ThreadPool, TheCallerIsMemberZero) {
  ThreadPool pool(3, false);
  std::vector<std::thread::id> ids(3);
  pool.run([&](int member) { ids[static_cast<size_t>(member)] = std::this_thread::get_id(); });
  EXPECT_EQ(ids[0], std::this_thread::get_id());
  EXPECT_NE(ids[1], ids[0]);
  EXPECT_NE(ids[2], ids[0]);
  EXPECT_NE(ids[1], ids[2]);
}

// Each round every member reads what its neighbour wrote in the round before, through plain memory.
void pass_values_round(ThreadPool& pool, int rounds) {
  const size_t size = static_cast<size_t>(pool.size());
  std::vector<int> front(size), back(size);
  pool.run([&](int member) {
    const size_t me = static_cast<size_t>(member), neighbour = (me + 1) % size;
    for (int round = 1; round <= rounds; ++round) {
      back[me] = front[neighbour] + 1;
      pool.barrier();
      front[me] = back[me];
      pool.barrier();
    }
  });
  for (int value : front) ASSERT_EQ(value, rounds);
}

TEST(ThreadPool, ABarrierMakesWritesVisible) {
  for (int threads : {1, 2, 4}) {
    ThreadPool pool(threads, false);
    pass_values_round(pool, 2000);
  }
}

// With spinning waiters this would take the length of a time slice each; see the decision record.
TEST(ThreadPool, MoreThreadsThanCpusDoNotCollapse) {
  const int threads = 3 * usable_cpu_count() + 1;
  ThreadPool pool(threads, true);
  const Clock::time_point start = Clock::now();
  pass_values_round(pool, 5000);
  EXPECT_LT(Clock::now() - start, std::chrono::seconds(60));
}

TEST(ThreadPool, ParkedMembersWakeUp) {
  ThreadPool pool(4, false);
  std::atomic<int> runs{0};
  for (int run = 0; run < 20; ++run) {
    std::this_thread::sleep_for(std::chrono::milliseconds(2));
    pool.run([&](int) { ++runs; });
  }
  EXPECT_EQ(runs, 80);
}

TEST(ThreadPool, ASlowMemberIsWaitedFor) {
  ThreadPool pool(3, false);
  std::atomic<int> done{0};
  pool.run([&](int member) {
    if (member == 1) std::this_thread::sleep_for(std::chrono::milliseconds(20));
    ++done;
    pool.barrier();
    EXPECT_EQ(done, 3);
  });
  pool.run([&](int member) {
    if (member == 2) std::this_thread::sleep_for(std::chrono::milliseconds(20));
    ++done;
  });
  EXPECT_EQ(done, 6);
}

TEST(ThreadPool, PinningBindsMembersAndIsUndone) {
  cpu_set_t before, after;
  ASSERT_EQ(sched_getaffinity(0, sizeof(before), &before), 0);
  const int threads = std::min(2, CPU_COUNT(&before));
  {
    ThreadPool pool(threads, true);
    std::vector<int> widths(static_cast<size_t>(threads)), cpus(static_cast<size_t>(threads));
    pool.run([&](int member) {
      cpu_set_t mask;
      sched_getaffinity(0, sizeof(mask), &mask);
      widths[static_cast<size_t>(member)] = CPU_COUNT(&mask);
      cpus[static_cast<size_t>(member)] = sched_getcpu();
    });
    for (int width : widths) EXPECT_EQ(width, 1);
    if (threads == 2) {
      EXPECT_NE(cpus[0], cpus[1]);
    }
    EXPECT_GE(usable_cpu_count(), 1);
  }
  ASSERT_EQ(sched_getaffinity(0, sizeof(after), &after), 0);
  EXPECT_TRUE(CPU_EQUAL(&before, &after));
}

TEST(ThreadPoolDeathTest, AnExceptionEndsTheProgram) {
  GTEST_FLAG_SET(death_test_style, "threadsafe");
  for (int member : {0, 1}) {
    EXPECT_DEATH(
        {
          ThreadPool pool(2, false);
          pool.run([&](int m) {
            if (m == member) throw std::runtime_error("escaped");
          });
        },
        "");
  }
}

TEST(Share, CoversEverythingEvenly) {
  for (int64_t count : {0, 1, 5, 7, 64, 1000}) {
    for (int members : {1, 2, 3, 7, 64}) {
      int64_t next = 0;
      for (int member = 0; member < members; ++member) {
        const Range range = share(count, member, members);
        EXPECT_EQ(range.begin, next);
        EXPECT_LE(range.end - range.begin, count / members + 1);
        EXPECT_GE(range.end - range.begin, count / members);
        next = range.end;
      }
      EXPECT_EQ(next, count);
    }
  }
}

}  // namespace
}  // namespace bitnetc
