// Ternary matmul on i2_s (docs/layouts/i2_s.md) by dot products of four bytes: a block does one
// tile of 16 rows, or a gate tile and its up tile, for C::tokens tokens.
//
// A warp reads eight neighbouring blocks of 64 bytes, 512 bytes side by side: lane 4c + g has rows
// 4g to 4g + 3 of block c, a word each, and the 16 activations of the block's columns. Code w + 1
// of plane p stands in bits 2p + 1 .. 2p of a byte.
//
// No sum overflows (codegen/cuda/kernels/matmul.cuh).
#pragma once

#include "codegen/cuda/kernels/matmul.cuh"

namespace bitnetc::cuda {

// Sums of four rows for some tokens. Planes stay apart, unshifted, where there are registers for
// them; else a plane is shifted down before it is multiplied.
template <uint32_t tokens, bool apart>
struct RowSums {
  static constexpr uint32_t kApart = apart ? kPlanes : 1;
  int32_t value[tokens][4][kApart] = {};

  __device__ __forceinline__ void add_row(uint32_t row, uint32_t codes, uint32_t token,
                                          const Words4& x) {
#pragma unroll
    for (uint32_t p = 0; p < kPlanes; ++p) {
      const uint32_t plane = apart ? codes & plane_mask(p) : codes >> (2 * p) & plane_mask(0);
      int32_t& sum = value[token][row][apart ? p : 0];
      sum = dp4a_u8_s8(plane, x.word[p], sum);
    }
  }
  __device__ __forceinline__ int32_t total(uint32_t token, uint32_t row) const {
    const int32_t* const sums = value[token][row];
    if constexpr (!apart) return sums[0];
    return sum_of_planes(sums[0], sums[1], sums[2], sums[3]);
  }
};

// C: k, m (tokens of a call; 0: as Args says), tokens (of a block), tiles (1, or 2 where gate and
// up alternate), store, gate, row_absmax, threads.
template <class C>
__device__ __forceinline__ void matmul_dp4a(const MatmulArgs& args) {
  constexpr uint32_t kWarps = C::threads / kWarp;
  constexpr uint32_t kBlocks = (C::k + kBlockColumns - 1) / kBlockColumns;
  constexpr uint32_t kStep = kWarps * 8;  // blocks of columns
  constexpr bool kApart = C::tokens * C::tiles <= 2;
  __shared__ PartialSums<C> partial;
  const uint32_t lane = thread_index() % kWarp, warp = thread_index() / kWarp;
  const int64_t tile = args.tile_begin + blockIdx.x * C::tiles;
  const int64_t tokens = C::m == 0 ? args.m : C::m;
  const int64_t first_token = blockIdx.y * C::tokens;

  RowSums<C::tokens, kApart> sums[C::tiles];
  const auto* const w = reinterpret_cast<const Words4*>(args.w) + tile * kBlocks * 4 + lane % 4;
#pragma unroll(kApart ? 2 : 1)
  for (uint32_t block = warp * 8 + lane / 4; block < kBlocks; block += kStep) {
    Words4 codes[C::tiles];
#pragma unroll
    for (uint32_t t = 0; t < C::tiles; ++t) codes[t] = load_once(w + (t * kBlocks + block) * 4);
#pragma unroll
    for (uint32_t token = 0; token < C::tokens; ++token) {
      const int64_t m = first_token + token < tokens ? first_token + token : first_token;
      const Words4 x =
          *reinterpret_cast<const Words4*>(args.x + m * args.x_stride + block * kBlockColumns);
#pragma unroll
      for (uint32_t t = 0; t < C::tiles; ++t)
#pragma unroll
        for (uint32_t row = 0; row < 4; ++row) sums[t].add_row(row, codes[t].word[row], token, x);
    }
  }
#pragma unroll
  for (uint32_t token = 0; token < C::tokens; ++token)
#pragma unroll
    for (uint32_t t = 0; t < C::tiles; ++t)
#pragma unroll
      for (uint32_t row = 0; row < 4; ++row) {
        int32_t sum = sums[t].total(token, row);
#pragma unroll
        for (uint32_t mask = 4; mask < kWarp; mask *= 2) sum += from_lane_xor(sum, mask);
        if (lane < 4) partial.of_warp[warp][token][t][lane * 4 + row] = sum;
      }
  barrier();
  store_outputs<C>(args, partial, tile, first_token, tokens);
}

}  // namespace bitnetc::cuda
