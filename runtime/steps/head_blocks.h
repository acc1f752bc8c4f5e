// How calls of the head's kernels share what they read of it.
#pragma once

#include <algorithm>
#include <cstdint>

#include "runtime/kernel_args.h"

namespace bitnetc {

// Calls `body(first, count, begin, end)`: hidden rows [first, first + count) meet head rows
// [begin, end), at most kMaxHeadRows of the former at a time. Several groups of hidden rows take
// turns over head rows that stay in the L2 cache, so that the head is read from memory once.
// `row_bytes`: of a head row.
template <typename Body>
void each_head_block(int64_t hidden_rows, int64_t begin, int64_t end, int64_t row_bytes,
                     const Body& body) {
  constexpr int64_t kCachedBytes = int64_t{256} << 10, kLeastRows = 32;  // multiples of the latter
  const int64_t cached = std::max(kCachedBytes / row_bytes, kLeastRows) / kLeastRows * kLeastRows;
  const int64_t most = hidden_rows <= kMaxHeadRows ? end - begin : cached;
  for (; begin < end; begin += most)
    for (int64_t first = 0; first < hidden_rows; first += kMaxHeadRows)
      body(first, std::min(hidden_rows - first, kMaxHeadRows), begin, std::min(end, begin + most));
}

}  // namespace bitnetc
