// RoPE in place and the append to a page of keys and values (docs/numerics.md, sections 9 and 10):
// a block a head, first the query heads and then those of keys and values.
#pragma once

#include "codegen/cuda/kernels/kv.cuh"

namespace bitnetc::cuda {

// Stores x[d], whose elements i and i + d / 2 this thread wrote itself. index(i) is that of a cell.
template <class C, typename Index>
__device__ __forceinline__ void append(const float* x, int64_t position, Index index,
                                       HeadCells<C> cells, float* slots) {
  float factor = 0.0f;
  if constexpr (C::kv_type == Kv::kI8) {
    float absmax = kMinAbsmax;
    for (uint32_t i = thread_index(); i < C::half; i += C::threads)
      absmax = max(absmax, max(abs(x[i]), abs(x[i + C::half])));
    absmax = largest_of_block<C::threads>(absmax, slots);
    factor = code_factor(absmax);
    if (thread_index() == 0) cells.store_scale(position, absmax);
  }
  for (uint32_t i = thread_index(); i < C::half; i += C::threads) {
    cells.store(index(i), x[i], factor);
    cells.store(index(i + C::half), x[i + C::half], factor);
  }
}

template <class C>
__device__ __forceinline__ void rotate(float* head, const float* cos, const float* sin) {
  for (uint32_t i = thread_index(); i < C::half; i += C::threads) {
    const float first = head[i], second = head[i + C::half], c = cos[i], s = sin[i];
    head[i] = fma(first, c, -mul(second, s));
    head[i + C::half] = fma(second, c, mul(first, s));
  }
}

// C: q_heads, half (of a head's dimension), k_offset, v_offset (columns of the row), kv_type,
// scales_offset (words), threads.
template <class C>
__device__ __forceinline__ void rope_append(const RopeAppendArgs& args) {
  __shared__ float slots[2][kWarp];
  constexpr uint32_t kDim = 2 * C::half;
  const uint32_t block = blockIdx.x;
  float* const qkv = in_device_memory(args.qkv);
  const float *const cos = in_device_memory(args.cos), *const sin = in_device_memory(args.sin);
  if (block < C::q_heads) {
    if (block >= args.q_begin && block < args.q_end) rotate<C>(qkv + block * kDim, cos, sin);
    return;
  }
  const uint32_t head = block - C::q_heads;
  if (head < args.kv_begin || head >= args.kv_end) return;
  float* const k = qkv + C::k_offset + head * kDim;
  const float* const v = qkv + C::v_offset + head * kDim;
  const int64_t at = args.position, words = head * args.head_stride;
  rotate<C>(k, cos, sin);
  append<C>(
      k, at, [&](uint32_t i) { return (at / kKeyBlock * kDim + i) * kKeyBlock + at % kKeyBlock; },
      {in_device_memory(args.k_cache) + words}, slots[0]);
  append<C>(
      v, at, [&](uint32_t i) { return at * kDim + i; }, {in_device_memory(args.v_cache) + words},
      slots[1]);
}

}  // namespace bitnetc::cuda
