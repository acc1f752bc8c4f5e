// What follows the fused qkv matmul of a pass of one row. Whoever finishes the last tile of a kv
// head rotates the head, appends it to the cache and, where the workers do not share chunks of
// positions, does its attention: no barrier is needed until all heads are there.
#pragma once

#include <array>

#include "runtime/steps/attention_steps.h"

namespace bitnetc {

class EarlyHeads {
 public:
  // Where the parts of a fused row begin and how many columns its heads have (RopeAppendSpec).
  struct Columns {
    int64_t q_heads = 0, kv_heads = 0, head_dim = 0;
    int64_t k_offset = 0, v_offset = 0;
  };

  // The steps live as long as this.
  EarlyHeads(const Columns& columns, const RopeAppendStep& rope, const AttentionStep& attention)
      : columns_(columns), rope_(rope), attention_(attention) {}

  // A worker has finished these row tiles of the matmul. Checked by the caller: the pass has early
  // heads.
  void finish_tiles(const Pass& pass, Range tiles, int worker) const;

 private:
  // The row tiles of q, k and v that a kv head lies in.
  std::array<Range, 3> tiles_of(int64_t kv_head) const;
  void go_on(const Pass& pass, int64_t kv_head, int worker) const;

  Columns columns_;
  const RopeAppendStep& rope_;
  const AttentionStep& attention_;
};

}  // namespace bitnetc
