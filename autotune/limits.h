// The roofline of this machine, measured once and remembered: predictions and percentages refer to
// it. Read bandwidth limits token generation, int8 arithmetic limits reading a prompt. Where the
// system refuses threads, the measurement uses those it gives.
#pragma once

#include <cstdint>
#include <functional>
#include <span>
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

// Receives a line before each new measurement.
using MeasuringNote = std::function<void(const std::string& text)>;

struct MeasuringOptions {
  bool fresh = false;  // measures again what is remembered
  MeasuringNote note = {};
  // Asked before each measurement, none of which takes more than 0.3 s; then what is not known
  // stays 0.
  std::function<bool()> is_cancelled = {};
};

// Measured once per number of threads and kept in `cache_dir` under the fingerprint of this
// machine. Noise only lowers a measurement, so the largest one counts. Without a cache directory
// (empty) every call measures, which takes about 0.6 s.
MachineLimits remembered_limits(const std::string& cache_dir, int threads,
                                MeasuringOptions options = {});
// The bandwidth alone: about 0.3 s.
double remembered_read_bandwidth(const std::string& cache_dir, int threads,
                                 MeasuringOptions options = {});

// Pure read bandwidth of memory in bytes per second with `threads` threads: the median of the
// better half of many passes. Each pass evicts what it will read from all caches first, so the
// figure is that of memory whatever their size. CPUs that cannot evict from user mode (neither
// x86-64 nor AArch64) read a working set of 48 MiB, of which a larger cache serves a part. Takes
// about `budget_ms` and at most 64 MiB of memory, whatever the number of threads (std::bad_alloc
// without them). Pins the threads.
double measure_read_bandwidth(int threads, int budget_ms = 300);

// Bytes per second of `threads` threads that read `bytes` from end to end, wherever they lie (at
// least 512 of them, from a cache line on): the best of the passes that fit `budget_ms`, at least
// two. What a kernel that needs all of them can reach at most. Pins the threads.
double measure_read_bandwidth_of(std::span<const uint8_t> bytes, int threads, int budget_ms);

// Peak int8 arithmetic in operations per second of the unit that kernels of the tier multiply with,
// in loops that touch no memory: the sum over `threads` threads that run at once, each the median
// of the better half of many passes. 0 where this CPU lacks the tier. Pins the threads.
double measure_int8_peak(Isa isa, int threads, int budget_ms = 50);
std::string_view int8_unit_name(Isa isa);  // "vpdpbusd zmm"

// The same for fp32 multiply-adds: 256 bits for kAvx2, 512 for kAvx512Vnni. The other tiers bring
// no unit of their own: 0.
double measure_fp32_peak(Isa isa, int threads, int budget_ms = 50);
std::string_view fp32_unit_name(Isa isa);  // "vfmadd231ps zmm", "none"

}  // namespace bitnetc
