// What this machine is: the features its CPU really executes, its topology, and how much of it this
// process may use. How fast it is stands in limits.h.
#pragma once

#include <string>

#include "autotune/topology.h"
#include "runtime/cpu_allowance.h"
#include "runtime/cpu_features.h"
#include "runtime/target.h"

namespace bitnetc {

struct Machine {
  CpuFeatures cpu;            // kAmxInt8 only where the tiles can be used
  std::string tiles_refusal;  // why the system keeps the tiles of a CPU that has them; else empty
  std::string microarchitecture;  // "Zen 5"; "unknown"
  Target target;                  // before any cap
  CpuAllowance allowance;
  Topology topology;
};

// Detected once, on the first call; asks the system for AMX tiles if the CPU has them. Thread-safe.
const Machine& this_machine();

// 16 hex digits, equal on machines that may share tuning results: the same CPU model, executed
// features, usable CPUs, cores and memory nodes, and cache sizes. Measurements and host names do
// not enter, so a restart or another instance of the same kind keeps the fingerprint.
std::string fingerprint(const Machine& machine);

// One line: "AMD EPYC (Zen 5), 2 CPUs on 2 cores, avx512vnni, L1d 48 KiB, L2 1 MiB, L3 32 MiB".
std::string describe(const Machine& machine);

CacheSizes cache_sizes();                        // of this_machine()
std::string describe(const CacheSizes& caches);  // "L1d 48 KiB, L2 1 MiB, L3 32 MiB"
std::string format_binary_bytes(int64_t bytes);  // "48 KiB", "1.5 MiB"

}  // namespace bitnetc
