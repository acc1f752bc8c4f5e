// This machine's read bandwidth, measured once per CPU and thread count and remembered in the cache
// directory (bandwidth.json), so that a run can say how close to the limit it came without measuring again.
#pragma once

namespace bitnetc {

// Bytes per second. Measures (about 0.3 s) when nothing is remembered; `fresh` always measures, and the larger
// value is kept. Remembering is best effort: without a cache directory it measures every time.
double read_bandwidth(int threads, bool fresh = false);

}  // namespace bitnetc
