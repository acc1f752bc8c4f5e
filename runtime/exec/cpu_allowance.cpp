#include "runtime/cpu_allowance.h"

#include <sched.h>
#include <unistd.h>

#include <algorithm>
#include <cmath>

#include "runtime/exec/cpu_quota.h"

namespace bitnetc {
namespace {

// CPU 0 where the system does not say.
std::vector<int> cpus_of_mask() {
  std::vector<int> found;
  cpu_set_t mask;
  CPU_ZERO(&mask);
  if (sched_getaffinity(0, sizeof(mask), &mask) == 0)
    for (int cpu = 0; cpu < CPU_SETSIZE; ++cpu)
      if (CPU_ISSET(cpu, &mask)) found.push_back(cpu);
  if (found.empty()) found.push_back(0);
  return found;
}

}  // namespace

int CpuAllowance::usable() const {
  const int cpus = static_cast<int>(allowed.size());
  // A quota beyond the mask, however large, leaves the mask.
  if (!quota || *quota >= cpus) return std::max(1, cpus);
  return std::max(1, static_cast<int>(std::ceil(*quota)));
}

const CpuAllowance& cpu_allowance() {
  static const CpuAllowance allowance = [] {
    CpuAllowance found{.allowed = cpus_of_mask(), .quota = cgroup_cpu_limit(read_system_text)};
    found.online = std::max(static_cast<int>(::sysconf(_SC_NPROCESSORS_ONLN)),
                            static_cast<int>(found.allowed.size()));
    return found;
  }();
  return allowance;
}

int usable_cpu_count() {
  return cpu_allowance().usable();
}

}  // namespace bitnetc
