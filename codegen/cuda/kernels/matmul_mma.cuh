// Ternary matmul on i2_s (docs/layouts/i2_s.md) by tensor cores: a block does one tile of 16 rows,
// or a gate tile and its up tile, for C::tokens tokens, eight to an instruction.
//
// A multiplication takes 16 rows times 32 columns and 32 columns times eight tokens. Which columns
// these are does not matter where both sides agree. A warp reads eight neighbouring blocks, 128
// columns: lane 4g + q has of blocks q and q + 4 the words of rows g and g + 8, and of token g the
// 16 activations of each of the two. Plane p of the words and word p of the activations are the
// operands of one multiplication, so four of them take the 128 columns.
#pragma once

#include "codegen/cuda/kernels/matmul.cuh"

namespace bitnetc::cuda {

inline constexpr uint32_t kMmaTokens = 8;

// Of a lane, the words of two rows of two blocks: an operand of four multiplications.
struct MmaCodes {
  uint32_t word[4];

  // Rows g and g + 8 of block q, then of block q + 4; `tile` points to row g of the first block of
  // the tile. Of blocks behind the last: zeros.
  template <uint32_t blocks>
  static __device__ __forceinline__ MmaCodes load(const uint32_t* tile, uint32_t block) {
    MmaCodes codes = {};
    if (block < blocks) {
      codes.word[0] = load_once(tile + block * kTileRows);
      codes.word[1] = load_once(tile + block * kTileRows + 8);
    }
    if (block + 4 < blocks) {
      codes.word[2] = load_once(tile + (block + 4) * kTileRows);
      codes.word[3] = load_once(tile + (block + 4) * kTileRows + 8);
    }
    return codes;
  }
};

// Sums of a tile and eight tokens. Planes stay apart, unshifted, where there are registers for
// them; else a plane is shifted down before it is multiplied.
template <bool apart>
struct TileSums {
  MmaSums plane[apart ? kPlanes : 1];

  __device__ __forceinline__ void add(const MmaCodes& codes, const Words4& x0, const Words4& x1) {
#pragma unroll
    for (uint32_t p = 0; p < kPlanes; ++p) {
      uint32_t a[4];
#pragma unroll
      for (uint32_t i = 0; i < 4; ++i)
        a[i] = apart ? codes.word[i] & plane_mask(p) : codes.word[i] >> (2 * p) & plane_mask(0);
      mma_u8_s8(plane[apart ? p : 0], a[0], a[1], a[2], a[3], x0.word[p], x1.word[p]);
    }
  }
  __device__ __forceinline__ int32_t total(uint32_t i) const {
    if constexpr (apart)
      return sum_of_planes(plane[0].value[i], plane[1].value[i], plane[2].value[i],
                           plane[3].value[i]);
    else
      return plane[0].value[i];
  }
};

// C: k, m (tokens of a call; 0: as Args says), tokens (of a block, a multiple of 8), tiles (1, or 2
// where gate and up alternate), store, gate, row_absmax, threads.
template <class C>
__device__ __forceinline__ void matmul_mma(const MatmulArgs& args) {
  constexpr uint32_t kWarps = C::threads / kWarp, kEights = C::tokens / kMmaTokens;
  constexpr uint32_t kBlocks = (C::k + kBlockColumns - 1) / kBlockColumns;
  constexpr bool kApart = kEights * C::tiles <= 2;
  __shared__ PartialSums<C> partial;
  const uint32_t lane = thread_index() % kWarp, warp = thread_index() / kWarp;
  const uint32_t g = lane / 4, q = lane % 4;
  const int64_t tile = args.tile_begin + blockIdx.x * C::tiles;
  const int64_t tokens = C::m == 0 ? args.m : C::m;
  const int64_t first_token = blockIdx.y * C::tokens;

  TileSums<kApart> sums[C::tiles][kEights];
  const uint32_t* const w =
      reinterpret_cast<const uint32_t*>(args.w) + tile * kBlocks * kTileRows + g;
  const int8_t* x[kEights];  // token g of each eight; where the call has none, another one
#pragma unroll
  for (uint32_t e = 0; e < kEights; ++e) {
    const int64_t m = first_token + e * kMmaTokens + g;
    x[e] = args.x + (m < tokens ? m : first_token) * args.x_stride;
  }
  // All lanes take part in every multiplication: `first` is the warp's.
#pragma unroll(kEights* C::tiles <= 4 ? 2 : 1)  // as far as registers go
  for (uint32_t first = warp * 8; first < kBlocks; first += kWarps * 8) {
    const uint32_t block = first + q;
    MmaCodes codes[C::tiles];
#pragma unroll
    for (uint32_t t = 0; t < C::tiles; ++t)
      codes[t] = MmaCodes::load<kBlocks>(w + t * kBlocks * kTileRows, block);
#pragma unroll
    for (uint32_t e = 0; e < kEights; ++e) {
      const auto* const from = reinterpret_cast<const Words4*>(x[e]);
      Words4 x0 = {}, x1 = {};
      if (block < kBlocks) x0 = from[block];
      if (block + 4 < kBlocks) x1 = from[block + 4];
#pragma unroll
      for (uint32_t t = 0; t < C::tiles; ++t) sums[t][e].add(codes[t], x0, x1);
    }
  }
#pragma unroll
  for (uint32_t e = 0; e < kEights; ++e)
#pragma unroll
    for (uint32_t t = 0; t < C::tiles; ++t)
#pragma unroll
      for (uint32_t i = 0; i < 4; ++i)
        partial.of_warp[warp][e * kMmaTokens + 2 * q + i % 2][t][g + i / 2 * 8] =
            sums[t][e].total(i);
  barrier();
  store_outputs<C>(args, partial, tile, first_token, tokens);
}

}  // namespace bitnetc::cuda
