// RMS norms of rows and of heads, and quantisation to int8: one block a row.
#pragma once

#include "codegen/cuda/kernels/row.cuh"

namespace bitnetc::cuda {

// C: k, eps, residual, threads.
template <class C>
__device__ __forceinline__ void rms_norm(const RmsNormArgs& args) {
  __shared__ NormScratch scratch;
  OwnElements<C::k, C::threads> x;
  x.load(in_device_memory(args.x));
  normalise<C::k, C::threads>(x, in_device_memory(args.weight), C::eps, scratch);
  float* const y = in_device_memory(args.y);
  const float* const residual = in_device_memory(args.residual);
  x.for_each([&](uint32_t, uint32_t i, float value) {
    y[i] = C::residual ? add(residual[i], value) : value;
  });
}

// A block a head. C: k (of a head), eps, threads.
template <class C>
__device__ __forceinline__ void head_norm(const HeadNormArgs& args) {
  __shared__ NormScratch scratch;
  float* const head = in_device_memory(args.x) + blockIdx.x * C::k;
  OwnElements<C::k, C::threads> x;
  x.load(head);
  normalise<C::k, C::threads>(x, in_device_memory(args.weight), C::eps, scratch);
  x.for_each([&](uint32_t, uint32_t i, float value) { head[i] = value; });
}

// C: k, padded_k, eps, threads.
template <class C>
__device__ __forceinline__ void norm_quantize(const NormQuantizeArgs& args) {
  __shared__ NormScratch norm_scratch;
  __shared__ QuantizeScratch scratch;
  OwnElements<C::k, C::threads> x;
  x.load(in_device_memory(args.x));
  normalise<C::k, C::threads>(x, in_device_memory(args.weight), C::eps, norm_scratch);
  if (float* const normed = in_device_memory(args.normed))
    x.for_each([&](uint32_t, uint32_t i, float value) { normed[i] = value; });
  const float absmax = absmax_of_row<C::k, C::threads>(x, scratch);
  quantize_row<C::k, C::padded_k, C::threads>(x, absmax, args.q, args.scale, args.sum, scratch);
}

// C: k, padded_k, find_absmax, threads.
template <class C>
__device__ __forceinline__ void quantize(const QuantizeArgs& args) {
  __shared__ QuantizeScratch scratch;
  OwnElements<C::k, C::threads> x;
  x.load(in_device_memory(args.x));
  float absmax = kMinAbsmax;
  if constexpr (C::find_absmax) {
    absmax = absmax_of_row<C::k, C::threads>(x, scratch);
  } else {
    const float* const all = in_device_memory(args.absmax);
    const uint32_t count = static_cast<uint32_t>(args.absmax_count);
#pragma unroll 2
    for (uint32_t i = thread_index(); i < count; i += C::threads)
      absmax = max(absmax, all[i * args.absmax_stride]);
    absmax = largest_of_block<C::threads>(absmax, scratch.maxima);
  }
  quantize_row<C::k, C::padded_k, C::threads>(x, absmax, args.q, args.scale, args.sum, scratch);
}

}  // namespace bitnetc::cuda
