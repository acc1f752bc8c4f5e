// What this machine can do, measured. Read bandwidth is the ceiling of token generation, so every
// speed this project prints comes with its percentage of it.
#pragma once

#include <cstdint>

namespace bitnetc {

// Pure read bandwidth in bytes per second with `threads` threads over a working set larger than the
// last-level cache: the median of the better half of many passes. Takes about `budget_ms`. At least
// 64 MiB, at most 512 MiB of memory while it runs (std::bad_alloc without them); pins the threads.
double measure_read_bandwidth(int threads, int budget_ms = 300);

struct CacheSizes {
  int64_t l1d_bytes = 0, l2_bytes = 0, l3_bytes = 0;  // 0 when the system does not say
};
CacheSizes cache_sizes();

}  // namespace bitnetc
