// What kernels of ternary matmuls on i2_s (docs/layouts/i2_s.md) share: a block's sums, and what it
// makes of them.
//
// No sum overflows: codes are at most 2 and stand in bits 7..6 at most, so a plane sums up at most
// 2 * 64 * 128 * k / 4 in magnitude, which is below 2^31 for k < 2^19.
#pragma once

#include "codegen/cuda/kernels/prelude.cuh"

namespace bitnetc::cuda {

inline constexpr uint32_t kBlockColumns = 16, kPlanes = 4;

// What is added to an output where it is computed: the epilogues of docs/numerics.md, section 8.
enum class Store { kScale, kResidual, kGated };

// The bits of plane p of a word: two in each byte, where they stand.
__device__ __forceinline__ constexpr uint32_t plane_mask(uint32_t p) {
  return 0x03030303u << (2 * p);
}
// The sum of planes whose codes were multiplied where they stand: each is an exact multiple.
__device__ __forceinline__ int32_t sum_of_planes(int32_t s0, int32_t s1, int32_t s2, int32_t s3) {
  return s0 + (s1 >> 2) + (s2 >> 4) + (s3 >> 6);
}

// Sums of codes times activations over the columns that a warp had, in shared memory.
// C: tokens, tiles (of a block), threads.
template <class C>
struct PartialSums {
  static constexpr uint32_t kWarps = C::threads / kWarp;
  int32_t of_warp[kWarps][C::tokens][C::tiles][kTileRows];
};

// Adds up the sums of all warps, which a barrier has made visible, and stores the outputs of the
// block's tokens from `first_token` on, as far as the call has them (`tokens`).
// C: tokens, tiles (2: a gate tile and its up tile), store, gate, row_absmax, threads.
template <class C>
__device__ __forceinline__ void store_outputs(const MatmulArgs& args, const PartialSums<C>& partial,
                                              int64_t tile, int64_t first_token, int64_t tokens) {
  for (uint32_t at = thread_index(); at < C::tokens * kTileRows; at += C::threads) {
    const uint32_t token = at / kTileRows, row = at % kTileRows;
    const int64_t m = first_token + token;
    if (m >= tokens) break;
    float value[C::tiles];
#pragma unroll
    for (uint32_t t = 0; t < C::tiles; ++t) {
      int32_t sum = -args.x_sum[m];
#pragma unroll
      for (uint32_t i = 0; i < PartialSums<C>::kWarps; ++i)
        sum += partial.of_warp[i][token][t][row];
      value[t] = mul(to_float(sum), mul(args.x_scale[m], args.tile_scale[tile + t]));
    }
    const int64_t out = m * args.y_stride + tile / C::tiles * kTileRows + row;
    float y = value[0];
    if constexpr (C::store == Store::kResidual) y = add(args.residual[out], y);
    if constexpr (C::store == Store::kGated) y = gated<C::gate>(y, value[C::tiles - 1]);
    args.y[out] = y;
    // Bits of floats that are not negative are ordered as the floats are. A NaN is not greater.
    if constexpr (C::row_absmax)
      if (abs(y) <= bits_to_float(0x7f800000u))
        atomicMax(reinterpret_cast<unsigned*>(args.row_absmax + m), float_to_bits(abs(y)));
  }
}

}  // namespace bitnetc::cuda
