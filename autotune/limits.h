// What this machine can reach, measured once and remembered: the roofline that predictions and
// percentages refer to. Read bandwidth is the ceiling of token generation and int8 arithmetic that
// of reading a prompt. Where the system refuses threads, those that it gives are measured.
#pragma once

#include <functional>
#include <string>
#include <string_view>
#include <utility>
#include <vector>

#include "runtime/target.h"

namespace bitnetc {

struct MachineLimits {
  int threads = 1;
  double read_bytes_per_second = 0;
  // By the tier whose unit it is (int8_unit_name), for the tiers this CPU has. A
  // multiply-accumulate is two.
  std::vector<std::pair<Isa, double>> int8_operations_per_second;
  std::vector<std::pair<Isa, double>> fp32_operations_per_second;  // fused multiply-adds, likewise

  double peak_of(Isa isa) const;       // of int8; 0 when unknown
  double fp32_peak_of(Isa isa) const;  // 0 when unknown
};

// Hears one line before a measurement of what is not remembered.
using MeasuringNote = std::function<void(const std::string& text)>;

// Measured once for every number of threads and remembered in `cache_dir` under the fingerprint of
// this machine. `fresh` always measures. Noise only ever lowers a measurement, so of all that were
// taken the largest counts. Remembering is best effort: without a cache directory (empty) every
// call measures, which takes about 0.6 s.
MachineLimits remembered_limits(const std::string& cache_dir, int threads, bool fresh = false,
                                const MeasuringNote& note = {});
// The bandwidth alone: about 0.3 s.
double remembered_read_bandwidth(const std::string& cache_dir, int threads, bool fresh = false,
                                 const MeasuringNote& note = {});

// Pure read bandwidth of memory in bytes per second with `threads` threads: the median of the
// better half of many passes. What a pass reads is evicted from all caches before it, so the figure
// is that of memory whatever their size (on CPUs that cannot evict from user mode, neither x86-64
// nor AArch64, it is that of a working set of 48 MiB, of which a larger cache serves a part). Takes
// about `budget_ms` and at most 64 MiB of memory, whatever the number of threads (std::bad_alloc
// without them). Pins the threads.
double measure_read_bandwidth(int threads, int budget_ms = 300);

// Peak int8 arithmetic in operations per second of the unit that kernels of the tier multiply with,
// in loops that touch no memory: the sum over `threads` threads that run at once, each the median
// of the better half of many passes. 0 where this CPU lacks the tier. Pins the threads.
double measure_int8_peak(Isa isa, int threads, int budget_ms = 50);
std::string_view int8_unit_name(Isa isa);  // "vpdpbusd zmm"

// The same of fp32 multiply-adds: 256 bits for kAvx2, 512 for kAvx512Vnni, 0 for the others, which
// bring no other unit.
double measure_fp32_peak(Isa isa, int threads, int budget_ms = 50);
std::string_view fp32_unit_name(Isa isa);  // "vfmadd231ps zmm", "none"

}  // namespace bitnetc
