#include "runtime/memory_allowance.h"

#include <gtest/gtest.h>

#include <map>

#include "runtime/mapped_file.h"
#include "runtime/memory_need.h"
#include "tests/support/model_folder.h"

namespace bitnetc::test {
namespace {

using Files = std::map<std::string, std::string>;

std::optional<MemoryAllowance> allowance_of(const Files& files) {
  return memory_allowance([&](const std::string& path) -> std::optional<std::string> {
    const auto found = files.find(path);
    return found == files.end() ? std::nullopt : std::optional(found->second);
  });
}

constexpr char kMeminfo[] =
    "MemTotal:       32000 kB\nMemAvailable:   16000 kB\nUnevictable:       24 kB\n"
    "Shmem:             8 kB\n";

TEST(MemoryAllowance, IsWhatTheMachineHasAvailable) {
  const auto found = allowance_of({{"/proc/meminfo", kMeminfo}});
  ASSERT_TRUE(found);
  EXPECT_EQ(found->available_bytes, 16000 * 1024);
  EXPECT_EQ(found->limited_by, "this machine");
  EXPECT_EQ(found->kept_bytes, 32 * 1024);
}

TEST(MemoryAllowance, NothingIsKnownWhereTheSystemDoesNotSay) {
  EXPECT_FALSE(allowance_of({}));
  EXPECT_FALSE(allowance_of({{"/proc/meminfo", "MemTotal: 32000 kB\nMemAvailable: many kB\n"}}));
}

TEST(MemoryAllowance, TheLeastOfAllEnclosingGroupsCounts) {
  const Files files = {
      {"/proc/meminfo", kMeminfo},
      {"/proc/self/cgroup", "0::/a/b\n"},
      {"/sys/fs/cgroup/a/b/memory.max", "max\n"},
      {"/sys/fs/cgroup/a/b/memory.current", "5000000\n"},
      {"/sys/fs/cgroup/a/memory.max", "10000000\n"},
      {"/sys/fs/cgroup/a/memory.current", "7000000\n"},
      {"/sys/fs/cgroup/a/memory.stat",
       "anon 3000000\nfile 4000000\ninactive_file 1000000\nactive_file 2500000\n"}};
  const auto found = allowance_of(files);
  ASSERT_TRUE(found);
  EXPECT_EQ(found->available_bytes, 10000000 - (7000000 - 3500000));
  EXPECT_EQ(found->limited_by, "/sys/fs/cgroup/a/memory.max of 10000000 bytes");
  EXPECT_EQ(found->kept_bytes, 32 * 1024);
}

TEST(MemoryAllowance, ReadsVersion1) {
  Files files = {{"/proc/meminfo", kMeminfo},
                 {"/proc/self/cgroup", "9:memory:/g\n2:cpu,cpuacct:/g\n"},
                 {"/sys/fs/cgroup/memory/g/memory.limit_in_bytes", "4000000\n"},
                 {"/sys/fs/cgroup/memory/g/memory.usage_in_bytes", "5000000\n"}};
  EXPECT_EQ(allowance_of(files)->available_bytes, 0);
  files["/sys/fs/cgroup/memory/g/memory.stat"] = "total_inactive_file 3000000\n";
  EXPECT_EQ(allowance_of(files)->available_bytes, 2000000);
  // "No limit" of version 1 is a number near 2^63.
  files["/sys/fs/cgroup/memory/g/memory.limit_in_bytes"] = "9223372036854771712\n";
  EXPECT_EQ(allowance_of(files)->limited_by, "this machine");
}

TEST(MemoryAllowance, ThisMachineHasSome) {
  const auto here = memory_allowance();
  if (!here) GTEST_SKIP() << "this system does not say how much memory is available";
  EXPECT_GT(here->available_bytes, 0);
}

constexpr MemoryNeed kNeed{.weights_bytes = 7'500'000'000,
                           .positions = 4096,
                           .context_bytes = 400'000'000,
                           .work_bytes = 1};

TEST(CheckMemory, TakesWhatFitsAndWhatIsNotKnown) {
  EXPECT_TRUE(check_memory("m.bnc", kNeed, std::nullopt).ok());
  EXPECT_TRUE(check_memory("m.bnc", kNeed, MemoryAllowance{.available_bytes = 7'900'000'001}).ok());
}

TEST(CheckMemory, WhatIsInMemoryForGoodNeedNotBeFound) {
  constexpr int64_t kBytes = int64_t{4} << 20;
  TempFolder folder;
  write_file(folder.path() / "file", std::string(kBytes, 'x'));
  const auto file = MappedFile::open(folder.file("file"));
  ASSERT_TRUE(file.ok()) << file.status().message();
  const MemoryNeed need{.weights_bytes = kBytes};
  const auto check = [&](int64_t kept) {
    const MemoryAllowance half{.available_bytes = kBytes / 2, .kept_bytes = kept};
    return check_memory("m.bnc", need, half, (*file)->bytes()).ok();
  };
  EXPECT_FALSE(check(0));
  EXPECT_FALSE(check(kBytes / 4));
  EXPECT_TRUE(check(kBytes / 2));
}

TEST(CheckMemory, NamesFileNeedAndAllowance) {
  const Status refused =
      check_memory("m.bnc", kNeed,
                   MemoryAllowance{.available_bytes = 7'900'000'000, .limited_by = "this machine"});
  EXPECT_EQ(refused.code(), StatusCode::kOutOfMemory);
  EXPECT_EQ(
      refused.message(),
      "m.bnc: needs 7901 MB of memory (7500 MB for its weights, 400 MB for 4096 positions of "
      "context, 1 MB for work), but 7900 MB are available (this machine): end other programs, "
      "ask for less context or fewer tokens, or take a machine or a limit with more");
}

}  // namespace
}  // namespace bitnetc::test
