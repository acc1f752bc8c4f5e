// This machine's limits, measured once per CPU and thread count and remembered in the cache directory
// (limits.json), so that a run can say how close to them it came without measuring again. `fresh` always
// measures, and the larger value is kept. Remembering is best effort: without a cache directory every call
// measures.
#pragma once

#include "runtime/target.h"

namespace bitnetc {

// Bytes per second from memory. Measuring takes about 0.3 s.
double read_bandwidth(int threads, bool fresh = false);
// int8 operations per second of the unit of a tier (measure_int8_peak of autotune/machine.h); 0 where this CPU
// lacks the tier. Measuring takes about 0.05 s.
double int8_peak(Isa isa, int threads, bool fresh = false);

}  // namespace bitnetc
