// How much memory this process may still take: what the system says is available, and what the
// memory limits of the cgroups around the process leave.
#pragma once

#include <cstdint>
#include <optional>
#include <string>

#include "runtime/system_text.h"

namespace bitnetc {

struct MemoryAllowance {
  int64_t available_bytes = 0;  // without taking any from others: pages of files count as free
  std::string limited_by;       // "this machine", or a cgroup's file with its limit
  // Pages that stay where they are, such as locked ones and those of files in memory (tmpfs). A
  // file may be part of them, and so be there already.
  int64_t kept_bytes = 0;
};

// Nothing where the system does not say. `read` is asked for files below /proc and /sys/fs/cgroup.
std::optional<MemoryAllowance> memory_allowance(const ReadText& read = read_system_text);

}  // namespace bitnetc
