// Where the keys and values of past positions live: one fp16 cache per layer, owned by a Session.
//
// Keys are stored in blocks of 16 positions with the head dimension outermost inside a block, so that one
// SIMD load holds the same dimension of 16 keys and scores need no horizontal sum. Values are plain rows.
//
//   k   u16 (fp16) [kv_head][position / 16][d][position % 16]
//   v   u16 (fp16) [kv_head][position][d]
#pragma once

#include <cstdint>

#include "runtime/buffer.h"

namespace bitnetc {

struct KvLayout {
  static constexpr int64_t kKeyBlock = 16;

  int64_t kv_heads = 0;
  int64_t head_dim = 0;
  int64_t capacity = 0;  // positions, a multiple of kKeyBlock

  int64_t head_stride() const { return capacity * head_dim; }  // elements between kv heads, k and v
  int64_t layer_elements() const { return kv_heads * head_stride(); }
  int64_t k_index(int64_t position, int64_t d) const {  // inside one head's slice
    return (position / kKeyBlock * head_dim + d) * kKeyBlock + position % kKeyBlock;
  }
  int64_t v_index(int64_t position, int64_t d) const { return position * head_dim + d; }
};

}  // namespace bitnetc
