// Products with many tokens: a stretch of columns of a few tiles is decoded once into a panel of
// codes on the stack, and register tiles of kMicroTokens x kMicroTiles walk over it.
//
//   panel   [tiles / kMicroTiles][group of 4 columns][kMicroTiles][16 rows][4 columns], codes w + 1
//   sums    [token][tile of the tile group][row], grown stretch by stretch
#pragma once

#include "codegen/static/matmul/finish.h"
#include "codegen/static/matmul/problem.h"
#include "codegen/static/matmul/unroll.h"

namespace bitnetc {
namespace {  // NOLINT(google-build-namespaces)

// How a group of kTiles tiles is cut into panels.
template <class Decoder, int kTiles, int kMicroTiles, int kMostGroups>
struct PanelShape {
  static constexpr int kBlocks = kMostGroups / Decoder::kGroups;  // of a stretch
  static constexpr int kGroups = kBlocks * Decoder::kGroups;
  static constexpr int kGroupStride = kMicroTiles * kDotGroupBytes;
  static constexpr int kMicroBytes = kGroups * kGroupStride;
  static constexpr int kBytes = kTiles / kMicroTiles * kMicroBytes;
};

// Blocks [block, block + count) of kTiles tiles from `tile` on.
template <class V, class Decoder, class Shape, int kTiles, int kMicroTiles>
[[gnu::flatten]] void decode_panel(const Problem<Decoder>& problem, int64_t tile, int64_t block,
                                   int64_t count, uint8_t* panel) {
  for (int t = 0; t < kTiles; ++t) {
    const uint8_t* from =
        problem.args.w + (tile + t) * problem.tile_bytes + block * Decoder::kBlockBytes;
    uint8_t* to = panel + t / kMicroTiles * Shape::kMicroBytes + t % kMicroTiles * kDotGroupBytes;
    for (int64_t i = 0; i < count; ++i) {
      Decoder::template decode<0>(from, [&](auto g, auto... codes) {
        uint8_t* part = to + g * Shape::kGroupStride;
        ((V::store(part, codes), part += sizeof(codes)), ...);
      });
      from += Decoder::kBlockBytes;
      to += Decoder::kGroups * Shape::kGroupStride;
    }
  }
}

struct MicroArgs {
  const uint8_t* panel;
  int64_t groups;
  const int8_t* x;  // at the stretch's first column
  int64_t x_stride;
  int32_t* sums;
  int64_t sums_stride;  // from token to token
  bool first;           // whether sums hold nothing yet
};

template <class Tier, int kTokens, int kTiles>
[[gnu::flatten]] void micro(const MicroArgs& args) {
  using Int = typename Tier::Int;
  constexpr int kVectors = kTiles * Tier::kParts, kVectorBytes = kDotGroupBytes / Tier::kParts;
  Int sum[kTokens * kVectors];
  unroll<kTokens * kVectors>([&](auto i) { sum[i] = Tier::zero(); });
  const uint8_t* codes = args.panel;
  const int8_t* x = args.x;
  for (int64_t group = 0; group < args.groups; ++group) {
    Int x4[kTokens];
    unroll<kTokens>(
        [&](auto token) { x4[token] = Tier::broadcast(load_dword(x + token * args.x_stride)); });
    unroll<kVectors>([&](auto v) {
      const Int rows = Tier::load(codes + v * kVectorBytes);
      unroll<kTokens>([&](auto token) {
        Int& acc = sum[token * kVectors + v];
        acc = in_one_place(Tier::dot(acc, rows, x4[token]));
      });
    });
    codes += kTiles * kDotGroupBytes;
    x += kDotGroupColumns;
  }
  unroll<kTokens>([&](auto token) {
    unroll<kVectors>([&](auto v) {
      int32_t* to = args.sums + token * args.sums_stride + v * Tier::kLanes;
      const Int all = Tier::widen(sum[token * kVectors + v]);
      Tier::store(to, args.first ? all : Tier::add(all, Tier::load(to)));
    });
  });
}

using Micro = void (*)(const MicroArgs&);

template <class Tier, int kTiles, int... kIndices>
void run_micro(int64_t tokens, const MicroArgs& args, std::integer_sequence<int, kIndices...>) {
  static constexpr Micro kMicros[] = {micro<Tier, kIndices + 1, kTiles>...};
  kMicros[tokens - 1](args);
}

// All tokens, in passes as even as can be.
template <class Tier, int kTiles>
void multiply_panel(int64_t tokens, const MicroArgs& all) {
  const int64_t passes = ceil_div(tokens, Tier::kMicroTokens);
  for (int64_t pass = 0; pass < passes; ++pass) {
    const int64_t begin = tokens * pass / passes, end = tokens * (pass + 1) / passes;
    MicroArgs args = all;
    args.x += begin * all.x_stride;
    args.sums += begin * all.sums_stride;
    run_micro<Tier, kTiles>(end - begin, args,
                            std::make_integer_sequence<int, Tier::kMicroTokens>());
  }
}

template <class Tier, class Decoder, int kTiles>
void panel_tile_group(const Problem<Decoder>& problem, int64_t tile) {
  constexpr int kMicroTiles = kTiles < Tier::kMicroTiles ? kTiles : Tier::kMicroTiles;
  using Shape = PanelShape<Decoder, kTiles, kMicroTiles, Tier::kPanelGroups>;
  static_assert(Shape::kGroups <= Tier::kMostAdds);
  constexpr int kRows = kTiles * kTileRows;
  alignas(64) uint8_t panel[Shape::kBytes];
  alignas(64) int32_t sums[kMaxTokensPerCall * kRows];
  for (int64_t block = 0; block < problem.blocks; block += Shape::kBlocks) {
    const int64_t count = lesser(Shape::kBlocks, problem.blocks - block);
    decode_panel<Tier, Decoder, Shape, kTiles, kMicroTiles>(problem, tile, block, count, panel);
    const int64_t first_group = block * Decoder::kGroups;
    for (int t = 0; t < kTiles; t += kMicroTiles) {
      multiply_panel<Tier, kMicroTiles>(
          problem.tokens, {.panel = panel + t / kMicroTiles * Shape::kMicroBytes,
                           .groups = lesser(count * Decoder::kGroups, problem.groups - first_group),
                           .x = problem.args.x + first_group * kDotGroupColumns,
                           .x_stride = problem.args.x_stride,
                           .sums = sums + t * kTileRows,
                           .sums_stride = kRows,
                           .first = block == 0});
    }
  }
  finish<Tier, Decoder::kInterleaved>(problem.epilogue, problem.args,
                                      {.sums = sums,
                                       .token_stride = kRows,
                                       .token_begin = 0,
                                       .token_end = problem.tokens,
                                       .tile_begin = tile,
                                       .tiles = kTiles,
                                       .row_absmax = problem.row_absmax});
}

template <class Tier, class Decoder>
void panel_matmul(const Problem<Decoder>& problem) {
  for_each_tile_group<Tier::kGroupTiles>(
      problem.args.tile_begin, problem.args.tile_end, [&](auto tiles, int64_t tile) {
        panel_tile_group<Tier, Decoder, tiles.value>(problem, tile);
      });
}

}  // namespace
}  // namespace bitnetc
