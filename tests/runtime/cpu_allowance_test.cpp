#include "runtime/cpu_allowance.h"

#include <gtest/gtest.h>

#include <algorithm>
#include <map>
#include <numeric>
#include <string>
#include <thread>

#include "runtime/exec/cpu_quota.h"

namespace bitnetc {
namespace {

CpuAllowance allowance(int cpus, std::optional<double> quota) {
  CpuAllowance made{.online = 64, .quota = quota};
  made.allowed.resize(static_cast<size_t>(cpus));
  std::iota(made.allowed.begin(), made.allowed.end(), 0);
  return made;
}

TEST(CpuAllowance, TheSmallerOfMaskAndQuotaCounts) {
  EXPECT_EQ(allowance(64, std::nullopt).usable(), 64);
  EXPECT_EQ(allowance(2, std::nullopt).usable(), 2);
  EXPECT_EQ(allowance(64, 2.0).usable(), 2);
  EXPECT_EQ(allowance(2, 16.0).usable(), 2);
}

TEST(CpuAllowance, AQuotaIsRoundedUpAndNeverZero) {
  EXPECT_EQ(allowance(64, 1.5).usable(), 2);
  EXPECT_EQ(allowance(64, 2.01).usable(), 3);
  EXPECT_EQ(allowance(64, 0.1).usable(), 1);
  EXPECT_EQ(allowance(64, 1e300).usable(), 64);
}

TEST(CpuAllowance, ThisProcessIsWithinTheMachine) {
  const CpuAllowance& here = cpu_allowance();
  EXPECT_FALSE(here.allowed.empty());
  EXPECT_TRUE(std::is_sorted(here.allowed.begin(), here.allowed.end()));
  EXPECT_LE(static_cast<int>(here.allowed.size()), here.online);
  EXPECT_GE(usable_cpu_count(), 1);
  EXPECT_EQ(usable_cpu_count(), here.usable());
  EXPECT_LE(usable_cpu_count(), static_cast<int>(std::thread::hardware_concurrency()));
}

std::optional<double> limit_of(const std::map<std::string, std::string>& files) {
  return cgroup_cpu_limit([&](const std::string& path) -> std::optional<std::string> {
    const auto found = files.find(path);
    return found == files.end() ? std::nullopt : std::optional(found->second);
  });
}

TEST(CpuQuota, ReadsVersion2) {
  EXPECT_EQ(limit_of({{"/proc/self/cgroup", "0::/a/b\n"},
                      {"/sys/fs/cgroup/a/b/cpu.max", "150000 100000\n"}}),
            1.5);
  EXPECT_EQ(limit_of({{"/proc/self/cgroup", "0::/\n"}, {"/sys/fs/cgroup/cpu.max", "max 100000\n"}}),
            std::nullopt);
}

TEST(CpuQuota, TheTightestEnclosingGroupCounts) {
  EXPECT_EQ(limit_of({{"/proc/self/cgroup", "0::/a/b\n"},
                      {"/sys/fs/cgroup/a/b/cpu.max", "max 100000"},
                      {"/sys/fs/cgroup/a/cpu.max", "200000 100000"},
                      {"/sys/fs/cgroup/cpu.max", "400000 100000"}}),
            2.0);
}

TEST(CpuQuota, AHostPathInsideAContainerFallsBackToTheRoot) {
  EXPECT_EQ(limit_of({{"/proc/self/cgroup", "0::/docker/0123\n"},
                      {"/sys/fs/cgroup/cpu.max", "50000 100000"}}),
            0.5);
}

TEST(CpuQuota, ReadsVersion1WhereverItIsMounted) {
  const std::string groups = "9:name=systemd:/\n4:memory:/x\n1:cpu,cpuacct:/g\n0::/\n";
  EXPECT_EQ(limit_of({{"/proc/self/cgroup", groups},
                      {"/sys/fs/cgroup/cpu,cpuacct/g/cpu.cfs_quota_us", "300000\n"},
                      {"/sys/fs/cgroup/cpu,cpuacct/g/cpu.cfs_period_us", "100000\n"}}),
            3.0);
  EXPECT_EQ(limit_of({{"/proc/self/cgroup", "1:cpu:/\n"},
                      {"/sys/fs/cgroup/cpu/cpu.cfs_quota_us", "-1\n"},
                      {"/sys/fs/cgroup/cpu/cpu.cfs_period_us", "100000\n"}}),
            std::nullopt);
}

TEST(CpuQuota, AControllerThatOnlyBeginsWithCpuIsNotCpu) {
  EXPECT_EQ(limit_of({{"/proc/self/cgroup", "3:cpuset:/g\n2:cpuacct:/g\n"},
                      {"/sys/fs/cgroup/cpu/g/cpu.cfs_quota_us", "100000"},
                      {"/sys/fs/cgroup/cpu/g/cpu.cfs_period_us", "100000"}}),
            std::nullopt);
}

TEST(CpuQuota, UnreadableOrOddFilesMeanNoLimit) {
  EXPECT_EQ(limit_of({}), std::nullopt);
  EXPECT_EQ(limit_of({{"/proc/self/cgroup", "nonsense\n::\n0:no-path\n0::relative\n"}}),
            std::nullopt);
  EXPECT_EQ(limit_of({{"/proc/self/cgroup", "0::/\n"}, {"/sys/fs/cgroup/cpu.max", "100000"}}),
            std::nullopt);
  EXPECT_EQ(limit_of({{"/proc/self/cgroup", "0::/\n"}, {"/sys/fs/cgroup/cpu.max", "100000 0"}}),
            std::nullopt);
}

}  // namespace
}  // namespace bitnetc
