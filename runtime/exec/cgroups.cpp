#include "runtime/exec/cgroups.h"

#include <fmt/format.h>

#include <optional>
#include <sstream>

namespace bitnetc {
namespace {

constexpr char kMount[] = "/sys/fs/cgroup";

// "/a/b" -> "/a/b", "/a", "".
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
  std::string controllers;  // "cpu,cpuacct"; empty: v2, which has one hierarchy for all
  std::string path;
};

// A line of /proc/self/cgroup, "hierarchy:controllers:path".
std::optional<Membership> parse_line(std::string_view line) {
  const size_t first = line.find(':');
  const size_t second = first == line.npos ? line.npos : line.find(':', first + 1);
  if (second == line.npos || !line.substr(second + 1).starts_with('/')) return std::nullopt;
  return Membership{.controllers = std::string(line.substr(first + 1, second - first - 1)),
                    .path = std::string(line.substr(second + 1))};
}

bool has_controller(const std::string& controllers, std::string_view wanted) {
  return fmt::format(",{},", controllers).find(fmt::format(",{},", wanted)) != std::string::npos;
}

}  // namespace

std::vector<CgroupFolder> cgroup_folders(std::string_view controller, const ReadText& read) {
  std::vector<CgroupFolder> folders;
  std::istringstream lines(read("/proc/self/cgroup").value_or(""));
  for (std::string line; std::getline(lines, line);) {
    const std::optional<Membership> group = parse_line(line);
    if (!group) continue;
    const bool v2 = group->controllers.empty();
    if (!v2 && !has_controller(group->controllers, controller)) continue;
    for (const std::string& path : with_parents(group->path)) {
      if (v2) {
        folders.push_back({.v2 = true, .path = kMount + path});
        continue;
      }
      // Controllers that share a hierarchy share a mount, which may bear the name of one alone.
      folders.push_back({.path = fmt::format("{}/{}{}", kMount, controller, path)});
      if (group->controllers != controller)
        folders.push_back({.path = fmt::format("{}/{}{}", kMount, group->controllers, path)});
    }
  }
  return folders;
}

}  // namespace bitnetc
