// Logits: lanes64 dots of hidden rows with rows of the head's table (docs/numerics.md, section 3).
// Eight threads a row of the table; a thread has the eight lanes whose elements lie side by side.
#pragma once

#include "codegen/cuda/kernels/elementwise.cuh"

namespace bitnetc::cuda {

inline constexpr uint32_t kOwnLanes = 8;                 // of the 64
inline constexpr uint32_t kRowThreads = 64 / kOwnLanes;  // of a row of the table

// Elements [first, first + 8) of a row of the table, widened; those from `count` on are not read.
template <class C>
__device__ __forceinline__ void load_elements(const void* table, int64_t first, uint32_t count,
                                              float (&out)[kOwnLanes]) {
  if constexpr (C::type != Float::kF32 && C::k % kOwnLanes == 0) {
    const Words4 words =
        load_once(reinterpret_cast<const Words4*>(static_cast<const uint16_t*>(table) + first));
#pragma unroll
    for (uint32_t i = 0; i < kOwnLanes; ++i) {
      const auto bits = static_cast<uint16_t>(words.word[i / 2] >> (16 * (i % 2)));
      out[i] = C::type == Float::kF16 ? widen_f16(bits) : widen_bf16(bits);
    }
  } else {
#pragma unroll
    for (uint32_t i = 0; i < kOwnLanes; ++i)
      out[i] = i < count ? load_widened<C::type>(table, first + i) : 0.0f;
  }
}

// A block does C::threads / 8 rows of the table for C::rows hidden rows. C: n, k, type, rows,
// threads.
template <class C>
__device__ __forceinline__ void head(const HeadArgs& args) {
  constexpr uint32_t kTableRows = C::threads / kRowThreads;
  const uint32_t owner = thread_index() % kRowThreads;
  const int64_t asked = args.row_begin + blockIdx.x * kTableRows + thread_index() / kRowThreads;
  const int64_t n = asked < args.row_end ? asked : args.row_end - 1;  // all threads go on together
  const int64_t first_row = blockIdx.y * C::rows;
  if (first_row >= args.rows) return;
  const int64_t left = args.rows - first_row;
  float lanes[C::rows][kOwnLanes] = {};
  const float* hidden[C::rows];
#pragma unroll
  for (uint32_t r = 0; r < C::rows; ++r)
    hidden[r] = args.hidden + (first_row + (r < left ? r : 0)) * args.hidden_stride;
#pragma unroll 2
  for (uint32_t k = owner * kOwnLanes; k < C::k; k += 64) {
    float weights[kOwnLanes];
    load_elements<C>(args.table, n * C::k + k, C::k - k, weights);
#pragma unroll
    for (uint32_t i = 0; i < kOwnLanes; ++i) {
      if (C::k % kOwnLanes != 0 && k + i >= C::k) break;
#pragma unroll
      for (uint32_t r = 0; r < C::rows; ++r)
        lanes[r][i] = fma(hidden[r][k + i], weights[i], lanes[r][i]);
    }
  }
#pragma unroll
  for (uint32_t r = 0; r < C::rows; ++r) {
    // Lanes 32, 16 and 8 apart are other threads', those 4, 2 and 1 apart this thread's.
#pragma unroll
    for (uint32_t mask = kRowThreads / 2; mask > 0; mask /= 2)
#pragma unroll
      for (uint32_t i = 0; i < kOwnLanes; ++i)
        lanes[r][i] = add(lanes[r][i], from_lane_xor(lanes[r][i], mask));
#pragma unroll
    for (uint32_t half = kOwnLanes / 2; half > 0; half /= 2)
#pragma unroll
      for (uint32_t i = 0; i < half; ++i) lanes[r][i] = add(lanes[r][i], lanes[r][i + half]);
    if (owner == 0 && asked < args.row_end && r < left)
      args.logits[(first_row + r) * args.logits_stride + n] = lanes[r][0];
  }
}

}  // namespace bitnetc::cuda
