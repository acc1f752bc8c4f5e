// The CPU share a container leaves this process: cpu.max (cgroup v2) or cpu.cfs_quota_us over
// cpu.cfs_period_us (v1), of the process's group and of every group around it.
#pragma once

#include <optional>

#include "runtime/system_text.h"

namespace bitnetc {

// CPUs' worth of time per unit of time, the smallest of all enclosing groups; nothing without a
// limit. `read` is asked for /proc/self/cgroup and for files below /sys/fs/cgroup.
std::optional<double> cgroup_cpu_limit(const ReadText& read);

}  // namespace bitnetc
