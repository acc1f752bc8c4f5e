// How calls of the head's kernels share what they read of it.
#pragma once

#include <algorithm>
#include <cstdint>

#include "runtime/kernel_args.h"

namespace bitnetc {

// Calls `body(first, count, begin, end)`: hidden rows [first, first + count) meet head rows
// [begin, end), at most kMaxHeadRows of the former at a time. Several groups of hidden rows take
// turns over head rows that stay in the L2 cache, so that the head is read from memory once.
template <typename Body>
void each_head_block(int64_t hidden_rows, int64_t begin, int64_t end, const Body& body) {
  constexpr int64_t kCachedRows = 64;
  const int64_t most = hidden_rows <= kMaxHeadRows ? end - begin : kCachedRows;
  for (; begin < end; begin += most)
    for (int64_t first = 0; first < hidden_rows; first += kMaxHeadRows)
      body(first, std::min(hidden_rows - first, kMaxHeadRows), begin, std::min(end, begin + most));
}

}  // namespace bitnetc
