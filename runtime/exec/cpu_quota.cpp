#include "runtime/exec/cpu_quota.h"

#include <fmt/format.h>

#include <algorithm>
#include <sstream>
#include <string_view>
#include <vector>

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

// "/a/b" -> "/a/b", "/a", "". Inside a container the path may be the host's; what is missing is
// skipped.
std::vector<std::string> with_parents(std::string path) {
  std::vector<std::string> paths;
  while (path.size() > 1) {
    paths.push_back(path);
    path.resize(path.rfind('/'));
  }
  paths.emplace_back();
  return paths;
}

struct Membership {
  bool v2 = false;
  bool has_cpu = false;  // the controllers of a v1 line include "cpu"
  std::string path;
};

// A line of /proc/self/cgroup, "hierarchy:controllers:path"; hierarchy 0 with no controllers is v2.
std::optional<Membership> parse_line(std::string_view line) {
  const size_t first = line.find(':');
  const size_t second = first == line.npos ? line.npos : line.find(':', first + 1);
  if (second == line.npos || !line.substr(second + 1).starts_with('/')) return std::nullopt;
  const std::string controllers = fmt::format(",{},", line.substr(first + 1, second - first - 1));
  return Membership{.v2 = controllers == ",,",
                    .has_cpu = controllers.find(",cpu,") != std::string::npos,
                    .path = std::string(line.substr(second + 1))};
}

}  // namespace

std::optional<double> cgroup_cpu_limit(const ReadText& read) {
  std::optional<double> smallest;
  const auto keep = [&](std::optional<double> limit) {
    if (limit) smallest = smallest ? std::min(*smallest, *limit) : limit;
  };
  std::istringstream lines(read("/proc/self/cgroup").value_or(""));
  for (std::string line; std::getline(lines, line);) {
    const std::optional<Membership> group = parse_line(line);
    if (!group) continue;
    for (const std::string& path : with_parents(group->path)) {
      if (group->v2) keep(limit_v2(read, "/sys/fs/cgroup" + path));
      if (group->has_cpu)
        for (const char* mount : {"/sys/fs/cgroup/cpu", "/sys/fs/cgroup/cpu,cpuacct"})
          keep(limit_v1(read, mount + path));
    }
  }
  return smallest;
}

}  // namespace bitnetc
