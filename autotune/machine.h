// What this machine can do, measured. Read bandwidth is the ceiling of token generation and int8 arithmetic
// that of reading a prompt, so every speed this project prints comes with its percentage of one.
#pragma once

#include <cstdint>
#include <string_view>

#include "runtime/target.h"

namespace bitnetc {

// Pure read bandwidth in bytes per second with `threads` threads over a working set larger than the
// last-level cache: the median of the better half of many passes. Takes about `budget_ms`. At least
// 64 MiB, at most 512 MiB of memory while it runs (std::bad_alloc without them); pins the threads.
double measure_read_bandwidth(int threads, int budget_ms = 300);

// Peak int8 arithmetic in operations per second (a multiply-accumulate is two) of the unit that kernels of the
// tier multiply with, in loops that touch no memory: the sum over `threads` threads that run at once, each
// the median of the better half of many passes. 0 where this CPU lacks the tier. Pins the threads.
double measure_int8_peak(Isa isa, int threads, int budget_ms = 50);
std::string_view int8_unit_name(Isa isa);  // "vpdpbusd zmm"

struct CacheSizes {
  int64_t l1d_bytes = 0, l2_bytes = 0, l3_bytes = 0;  // 0 when the system does not say
};
CacheSizes cache_sizes();

}  // namespace bitnetc
