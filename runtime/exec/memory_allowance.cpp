#include "runtime/memory_allowance.h"

#include <fmt/format.h>

#include <algorithm>
#include <sstream>

#include "runtime/exec/cgroups.h"

namespace bitnetc {
namespace {

// The number behind `key` in lines such as "MemAvailable:  24000 kB" and "inactive_file 4096".
std::optional<int64_t> number_of(const std::string& text, std::string_view key) {
  std::istringstream lines(text);
  for (std::string line; std::getline(lines, line);) {
    std::istringstream words(line);
    std::string word;
    int64_t number = 0;
    if (words >> word >> number && word == key) return number;
  }
  return std::nullopt;
}

// A file that holds one number, or a word such as "max" where there is no limit.
std::optional<int64_t> number_in(const ReadText& read, const std::string& path) {
  std::istringstream words(read(path).value_or(""));
  int64_t number = 0;
  if (!(words >> number) || number < 0) return std::nullopt;
  return number;
}

struct CgroupFiles {
  const char *limit, *usage, *active_file, *inactive_file;
};
constexpr CgroupFiles kV1 = {"memory.limit_in_bytes", "memory.usage_in_bytes", "total_active_file",
                             "total_inactive_file"};
constexpr CgroupFiles kV2 = {"memory.max", "memory.current", "active_file", "inactive_file"};

// What the limit of one group leaves; pages of files can be dropped. Nothing: no limit.
std::optional<MemoryAllowance> left_by(const CgroupFolder& folder, const ReadText& read) {
  const CgroupFiles& files = folder.v2 ? kV2 : kV1;
  const std::string limit_file = fmt::format("{}/{}", folder.path, files.limit);
  const auto limit = number_in(read, limit_file);
  const auto usage = number_in(read, fmt::format("{}/{}", folder.path, files.usage));
  if (!limit || !usage) return std::nullopt;
  const std::string statistics = read(folder.path + "/memory.stat").value_or("");
  const int64_t droppable = number_of(statistics, files.active_file).value_or(0) +
                            number_of(statistics, files.inactive_file).value_or(0);
  const int64_t used = std::max<int64_t>(0, *usage - droppable);
  return MemoryAllowance{.available_bytes = std::max<int64_t>(0, *limit - used),
                         .limited_by = fmt::format("{} of {} bytes", limit_file, *limit)};
}

}  // namespace

std::optional<MemoryAllowance> memory_allowance(const ReadText& read) {
  constexpr int64_t kUnit = 1024;  // "kB" of /proc/meminfo
  const std::string machine = read("/proc/meminfo").value_or("");
  const auto available = number_of(machine, "MemAvailable:");
  if (!available) return std::nullopt;
  MemoryAllowance least{.available_bytes = *available * kUnit, .limited_by = "this machine"};
  for (const CgroupFolder& folder : cgroup_folders("memory", read))
    if (const auto left = left_by(folder, read);
        left && left->available_bytes < least.available_bytes)
      least = *left;
  least.kept_bytes = kUnit * (number_of(machine, "Unevictable:").value_or(0) +
                              number_of(machine, "Shmem:").value_or(0));
  return least;
}

}  // namespace bitnetc
