// Operations whose elements do not depend on each other: a thread each.
#pragma once

#include "codegen/cuda/kernels/prelude.cuh"

namespace bitnetc::cuda {

// C: n, gate, threads.
template <class C>
__device__ __forceinline__ void glu(const GluArgs& args) {
  const uint32_t i = blockIdx.x * C::threads + thread_index();
  if (i >= C::n) return;
  in_device_memory(args.y)[i] =
      gated<C::gate>(in_device_memory(args.gate)[i], in_device_memory(args.up)[i]);
}

enum class Float { kF32, kF16, kBf16 };
template <Float type>
__device__ __forceinline__ float load_widened(const void* table, int64_t i) {
  if constexpr (type == Float::kF32) return static_cast<const float*>(in_device_memory(table))[i];
  const uint16_t bits = static_cast<const uint16_t*>(in_device_memory(table))[i];
  return type == Float::kF16 ? widen_f16(bits) : widen_bf16(bits);
}

// C: k, type, scale, threads. A scale of 1 changes no bit.
template <class C>
__device__ __forceinline__ void embed(const EmbedArgs& args) {
  const uint32_t i = blockIdx.x * C::threads + thread_index();
  if (i >= C::k) return;
  in_device_memory(args.h)[i] =
      mul(load_widened<C::type>(args.table, args.token * C::k + i), C::scale);
}

}  // namespace bitnetc::cuda
