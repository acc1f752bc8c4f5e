// Products with few tokens: every block is decoded into registers and met by all tokens at once.
//
// A tier says how many tiles go side by side (direct_tiles), how many bits of shifts are put off to
// the end for one token (kKeptBits: sums of codes left at bit b are multiples of 2^b and have an
// accumulator of their own), how many accumulators it has for sums that are split only to hide
// latency (kMostChains), and how often an accumulator can be added to before it must be widened
// (kMostAdds).
#pragma once

#include "codegen/static/matmul/finish.h"
#include "codegen/static/matmul/problem.h"
#include "codegen/static/matmul/unroll.h"

namespace bitnetc {
namespace {  // NOLINT(google-build-namespaces)

// Which accumulator of a vector of rows takes which group of a block.
template <class Tier, class Decoder, int kKeep, int kVectors>
struct Slots {
  static constexpr bool kByBits = Decoder::kHasPlanes && kKeep > 0;
  // Few vectors alone would wait for each other's latency.
  static constexpr int kChains = static_cast<int>(lesser(
      Tier::kMostChains / 4, kVectors < Tier::kMostChains ? Tier::kMostChains / kVectors : 1));

  static constexpr int bits_of(int group) {
    if constexpr (kByBits) return Decoder::shift(group) % (kKeep + 2);
    return 0;
  }
  static constexpr int of(int group) { return kByBits ? bits_of(group) / 2 : group % kChains; }
  static constexpr int bits(int slot) { return kByBits ? 2 * slot : 0; }
  static constexpr int count() {
    int most = 0;
    for (int g = 0; g < Decoder::kGroups; ++g) most = of(g) > most ? of(g) : most;
    return most + 1;
  }
  // Blocks until an accumulator has to be widened.
  static constexpr int64_t blocks_per_run() {
    int64_t least = Tier::kMostAdds;
    for (int slot = 0; slot < count(); ++slot) {
      int64_t adds = 0;
      for (int g = 0; g < Decoder::kGroups; ++g) adds += of(g) == slot ? 1 : 0;
      least = lesser(least, Tier::kMostAdds / (adds << bits(slot)));
    }
    return least;
  }
};

// The last block's activations where the row ends before the block does.
template <class Decoder>
struct Tail {
  static constexpr int64_t kStride = 64;
  static_assert(Decoder::kColumns <= kStride);
  alignas(64) int8_t x[kMaxSmallM * kStride] = {};
  int64_t full_blocks;  // the blocks before it

  explicit Tail(const Problem<Decoder>& problem)
      : full_blocks(lesser(problem.blocks, problem.x_columns / Decoder::kColumns)) {
    const int64_t first = full_blocks * Decoder::kColumns;
    if (full_blocks == problem.blocks) return;
    for (int64_t token = 0; token < problem.tokens; ++token)
      __builtin_memcpy(x + token * kStride, problem.args.x + token * problem.args.x_stride + first,
                       static_cast<size_t>(problem.x_columns - first));
  }
};

// A tile's stream of weights from memory, this far ahead.
inline void prefetch_block(const uint8_t* block, int bytes) {
  constexpr int kDistance = 4096, kLine = 64;
  for (int line = 0; line < bytes; line += kLine) __builtin_prefetch(block + kDistance + line);
}

// The numbers of a pass: kTiles tiles side by side.
template <class Tier, class Decoder, int kTokens, int kTiles>
struct Pass {
  static constexpr int kKeep = kTokens == 1 ? Tier::kKeptBits : 0;
  using Slot = Slots<Tier, Decoder, kKeep, kTiles * kTokens * Tier::kParts>;
  static constexpr int kSums = kTiles * kTokens * Tier::kParts * Slot::count();

  static constexpr int index(int tile, int token, int part, int slot) {
    return ((tile * kTokens + token) * Tier::kParts + part) * Slot::count() + slot;
  }
};

// `count` blocks, one at least; the totals grow. A function of its own: its loop is to have the
// registers alone.
template <class Tier, class Decoder, int kTokens, int kTiles>
[[gnu::noinline, gnu::flatten]] void add_blocks(const uint8_t* w, int64_t tile_bytes,
                                                const int8_t* x, int64_t x_stride, int64_t count,
                                                typename Tier::Int* totals) {
  using Int = typename Tier::Int;
  using Numbers = Pass<Tier, Decoder, kTokens, kTiles>;
  Int sums[Numbers::kSums];
  unroll<Numbers::kSums>([&](auto i) { sums[i] = Tier::zero(); });
  do {
    unroll<kTiles>([&](auto tile) {
      prefetch_block(w + tile * tile_bytes, Decoder::kBlockBytes);
      const auto multiply = [&](auto g, auto... codes) {
        const Int parts[] = {codes...};
        unroll<kTokens>([&](auto token) {
          const Int x4 = Tier::broadcast(load_dword(x + token * x_stride + g * kDotGroupColumns));
          unroll<Tier::kParts>([&](auto part) {
            Int& sum = sums[Numbers::index(tile, token, part, Numbers::Slot::of(g.value))];
            sum = in_one_place(Tier::dot(sum, parts[part], x4));
          });
        });
      };
      Decoder::template decode<Numbers::kKeep>(w + tile * tile_bytes, multiply);
    });
    w += Decoder::kBlockBytes;
    x += Decoder::kColumns;
  } while (--count > 0);
  unroll<Numbers::kSums>([&](auto i) { totals[i] = Tier::add(totals[i], Tier::widen(sums[i])); });
}

// Sums [token][tile] of kTiles tiles from w on.
template <class Tier, class Decoder, int kTokens, int kTiles>
void direct_pass(const Problem<Decoder>& problem, const Tail<Decoder>& tail, const uint8_t* w,
                 int32_t* sums, int64_t token_stride) {
  using Int = typename Tier::Int;
  using Numbers = Pass<Tier, Decoder, kTokens, kTiles>;
  using Slot = typename Numbers::Slot;
  constexpr auto kAddBlocks = add_blocks<Tier, Decoder, kTokens, kTiles>;
  Int totals[Numbers::kSums];
  unroll<Numbers::kSums>([&](auto i) { totals[i] = Tier::zero(); });
  for (int64_t block = 0; block < tail.full_blocks; block += Slot::blocks_per_run()) {
    kAddBlocks(w + block * Decoder::kBlockBytes, problem.tile_bytes,
               problem.args.x + block * Decoder::kColumns, problem.args.x_stride,
               lesser(Slot::blocks_per_run(), tail.full_blocks - block), totals);
  }
  if (tail.full_blocks < problem.blocks)
    kAddBlocks(w + tail.full_blocks * Decoder::kBlockBytes, problem.tile_bytes, tail.x,
               Tail<Decoder>::kStride, 1, totals);
  unroll<kTokens>([&](auto token) {
    unroll<kTiles>([&](auto tile) {
      unroll<Tier::kParts>([&](auto part) {
        Int all = totals[Numbers::index(tile, token, part, 0)];
        unroll<Slot::count() - 1>([&](auto i) {
          constexpr int kSlot = i.value + 1;
          all = Tier::add(all, Tier::template shift_right<Slot::bits(kSlot)>(
                                   totals[Numbers::index(tile, token, part, kSlot)]));
        });
        Tier::store(sums + token * token_stride + tile * kTileRows + part * Tier::kLanes, all);
      });
    });
  });
}

// kTiles tiles; passes take Tier::direct_tiles of them.
template <class Tier, class Decoder, int kTokens, int kTiles>
void direct_tile_group(const Problem<Decoder>& problem, const Tail<Decoder>& tail, int64_t tile) {
  constexpr int kPassTiles = static_cast<int>(lesser(kTiles, Tier::direct_tiles(kTokens)));
  alignas(64) int32_t sums[kTokens * kTiles * kTileRows];
  for (int t = 0; t < kTiles; t += kPassTiles)
    direct_pass<Tier, Decoder, kTokens, kPassTiles>(
        problem, tail, problem.args.w + (tile + t) * problem.tile_bytes, sums + t * kTileRows,
        kTiles * kTileRows);
  finish<Tier, Decoder::kInterleaved>(problem.epilogue, problem.args,
                                      {.sums = sums,
                                       .token_stride = kTiles * kTileRows,
                                       .token_begin = 0,
                                       .token_end = kTokens,
                                       .tile_begin = tile,
                                       .tiles = kTiles,
                                       .row_absmax = problem.row_absmax});
}

template <class Tier, class Decoder, int kTokens>
void direct_matmul(const Problem<Decoder>& problem) {
  const Tail<Decoder> tail(problem);
  for_each_tile_group<Tier::kGroupTiles>(
      problem.args.tile_begin, problem.args.tile_end, [&](auto tiles, int64_t tile) {
        direct_tile_group<Tier, Decoder, kTokens, tiles.value>(problem, tail, tile);
      });
}

}  // namespace
}  // namespace bitnetc
