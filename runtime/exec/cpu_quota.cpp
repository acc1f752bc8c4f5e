#include "runtime/exec/cpu_quota.h"

#include <algorithm>
#include <sstream>
#include <string>

#include "runtime/exec/cgroups.h"

namespace bitnetc {
namespace {

// quota / period, when both are positive: v2 writes "max" and v1 writes -1 for "no limit".
std::optional<double> quotient(const std::string& quota_and_period) {
  std::istringstream words(quota_and_period);
  double quota = 0, period = 0;
  if (!(words >> quota >> period) || quota <= 0 || period <= 0) return std::nullopt;
  return quota / period;
}

std::optional<double> limit_v1(const ReadText& read, const std::string& folder) {
  const std::optional<std::string> quota = read(folder + "/cpu.cfs_quota_us");
  const std::optional<std::string> period = read(folder + "/cpu.cfs_period_us");
  if (!quota || !period) return std::nullopt;
  return quotient(*quota + " " + *period);
}

std::optional<double> limit_v2(const ReadText& read, const std::string& folder) {
  const std::optional<std::string> text = read(folder + "/cpu.max");
  return text ? quotient(*text) : std::nullopt;
}

}  // namespace

std::optional<double> cgroup_cpu_limit(const ReadText& read) {
  std::optional<double> smallest;
  for (const CgroupFolder& folder : cgroup_folders("cpu", read)) {
    const auto limit = folder.v2 ? limit_v2(read, folder.path) : limit_v1(read, folder.path);
    if (limit) smallest = smallest ? std::min(*smallest, *limit) : limit;
  }
  return smallest;
}

}  // namespace bitnetc
