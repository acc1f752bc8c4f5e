#include "runtime/memory_lock.h"

#include <gtest/gtest.h>

#include <cstdio>
#include <vector>

#include "runtime/kv_cache.h"
#include "tests/support/child_process.h"
#include "tests/support/sanitizers.h"

namespace bitnetc::test {
namespace {

constexpr KvLayout kLayout{.layers = 1, .kv_heads = 2, .head_dim = 16};

TEST(MemoryLock, NothingIsLockedWithoutBytes) {
  EXPECT_TRUE(lock_memory({}, "nothing").ok());
  unlock_memory({});
}

TEST(MemoryLock, ARefusalNamesTheLimitAndHowToRaiseIt) {
  if (kIsSanitized) {
    std::printf("SKIPPED: mlock does nothing under a sanitizer\n");
    GTEST_SKIP() << "mlock does nothing under a sanitizer";
  }
  EXPECT_EQ(in_child([]() -> std::string {
              if (const std::string problem = limit_locking(64 << 10); !problem.empty())
                return problem;
              const std::vector<uint8_t> small(16 << 10), large(1 << 20);
              if (const Status status = lock_memory(small, "little"); !status.ok())
                return status.message();
              unlock_memory(small);
              const Status refused = lock_memory(large, "the model");
              if (refused.code() != StatusCode::kOutOfMemory) return "was locked";
              const std::string expected =
                  "the model (1.0 MB) cannot be locked in memory: Cannot allocate memory; this "
                  "process may lock 0.1 MB (RLIMIT_MEMLOCK; to raise it: ulimit -l unlimited, or "
                  "LimitMEMLOCK=infinity in a systemd unit)";
              return refused.message() == expected ? "" : refused.message();
            }),
            "");
}

TEST(MemoryLock, PagesOfKeysAndValuesGoOnWithoutIt) {
  if (kIsSanitized) {
    std::printf("SKIPPED: mlock does nothing under a sanitizer\n");
    GTEST_SKIP() << "mlock does nothing under a sanitizer";
  }
  EXPECT_EQ(in_child([]() -> std::string {
              if (const std::string problem = limit_locking(32 << 10); !problem.empty())
                return problem;
              KvPool pool(kLayout, 0, /*lock=*/true);
              std::vector<KvPage> pages;
              for (int i = 0; i < 8; ++i) {
                auto page = pool.take();
                if (!page.ok()) return page.status().message();
                pages.push_back(*std::move(page));
                if (i == 0 && !pool.lock_status().ok()) return pool.lock_status().message();
              }
              if (pool.lock_status().ok()) return "8 pages of 8 KiB were locked";
              KvPool free_pool(kLayout);
              return free_pool.take().ok() && free_pool.lock_status().ok() ? "" : "not asked for";
            }),
            "");
}

}  // namespace
}  // namespace bitnetc::test
