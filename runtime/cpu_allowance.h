// How much of the machine this process may use: the affinity mask says which CPUs, the cgroups
// around it how much of their time. A container with 2 of 64 CPUs is a machine of 2.
#pragma once

#include <optional>
#include <vector>

namespace bitnetc {

struct CpuAllowance {
  int online = 1;               // CPUs of the machine that are switched on
  std::vector<int> allowed;     // their numbers, by the affinity mask, ascending; at least one
  std::optional<double> quota;  // CPUs' worth of time by cgroup quota; nothing: no limit

  // The number of threads that can really run at once: of the mask and the quota (rounded up) the
  // smaller, at least 1.
  int usable() const;
};

// As it was at the first call, which comes before any pool binds the calling thread. Any thread may
// ask.
const CpuAllowance& cpu_allowance();

// cpu_allowance().usable()
int usable_cpu_count();

}  // namespace bitnetc
