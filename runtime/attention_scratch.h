// The scratch of attention (AttentionArgs::scores): what its parts leave for one another, a record
// for each row and chunk of positions.
//
//   scratch  f32 [chunk][kMostAttentionRows] { record of a row }
//   record   scores [head][256], later weights    in front of the first position that is seen and
//                                                 behind the last: not specified
//            values [head][d]    weighted values, summed over the chunk
//            largest [head]      of the chunk's scores
//            sum [head]          of the chunk's weights
//            done                chunks whose values are ready; for whoever calls the kernel
//
// A call of few rows uses the first records of a chunk; the others may belong to another call.
// Functions are always inlined, as those of runtime/rounding.h.
#pragma once

#include <cstdint>

#include "runtime/kernel_args.h"
#include "runtime/rounding.h"

namespace bitnetc {

// Offsets and extents in elements.
struct AttentionScratch {
  int64_t head_dim = 0;
  int64_t heads = 1;  // query heads of a kv head

  [[gnu::always_inline]] int64_t scores(int64_t head) const { return head * kAttentionChunk; }
  [[gnu::always_inline]] int64_t values(int64_t head) const {
    return scores(heads) + head * head_dim;
  }
  [[gnu::always_inline]] int64_t largest(int64_t head) const { return values(heads) + head; }
  [[gnu::always_inline]] int64_t sum(int64_t head) const { return largest(heads) + head; }
  [[gnu::always_inline]] int64_t done() const { return sum(heads); }

  [[gnu::always_inline]] int64_t record_elements() const {
    return round_up(done() + 1, kAttentionChunk / kRows);
  }
  [[gnu::always_inline]] int64_t chunk_elements() const { return kRows * record_elements(); }
  // Where positions are rounded up to whole chunks.
  [[gnu::always_inline]] int64_t elements_per_position() const {
    return chunk_elements() / kAttentionChunk;
  }

  [[gnu::always_inline]] int64_t record(int64_t chunk, int64_t row) const {
    return chunk * chunk_elements() + row * record_elements();
  }

 private:
  static constexpr int64_t kRows = kMostAttentionRows;
};

// Positions [begin, end).
struct SeenPositions {
  int64_t begin = 0, end = 0;

  [[gnu::always_inline]] bool empty() const { return begin >= end; }
  [[gnu::always_inline]] int64_t first_chunk() const { return begin / kAttentionChunk; }
  [[gnu::always_inline]] int64_t end_chunk() const { return (end - 1) / kAttentionChunk + 1; }
  // Those of them inside [from, to).
  [[gnu::always_inline]] SeenPositions inside(int64_t from, int64_t to) const {
    return {.begin = begin > from ? begin : from, .end = end < to ? end : to};
  }
  [[gnu::always_inline]] SeenPositions in_chunk(int64_t chunk) const {
    return inside(chunk * kAttentionChunk, (chunk + 1) * kAttentionChunk);
  }
};

// What a token at `position` sees; window 0: all up to its own.
[[gnu::always_inline]] inline SeenPositions seen_from(int64_t position, int64_t window) {
  const int64_t end = position + 1;
  return {.begin = window > 0 && window < end ? end - window : 0, .end = end};
}

}  // namespace bitnetc
