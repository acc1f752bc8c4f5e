// The topology of the machine: sockets, memory nodes, cores, siblings, caches; and which part of it
// this process may use.
#pragma once

#include <cstdint>
#include <string>
#include <vector>

namespace bitnetc {

struct CacheSizes {
  int64_t l1d_bytes = 0, l2_bytes = 0, l3_bytes = 0;  // 0 when the system does not say
  int l3_cores = 0;                                   // that share one L3
};

struct CpuGroup {
  int sockets = 1, numa_nodes = 1, cores = 1;
  int cpus = 1;  // hardware threads: with SMT more than cores
};

struct Topology {
  CpuGroup machine;    // all that is switched on
  CpuGroup usable;     // what has at least one CPU of the affinity mask; a quota changes nothing
  CacheSizes caches;   // of the first CPU that is allowed
  int usable_l3s = 0;  // separate L3 caches of the usable cores
};

// `allowed`: numbers of CPUs as the system counts them. `synthetic` describes a machine in hwloc's
// words ("package:2 core:8 pu:2") instead of asking the system, for tests. Where nothing can be
// learnt, every allowed CPU counts as a core of one socket.
Topology read_topology(const std::vector<int>& allowed, const std::string& synthetic = "");

}  // namespace bitnetc
