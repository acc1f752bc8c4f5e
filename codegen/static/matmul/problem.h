// A call of a static matmul kernel in the numbers its loops run on.
#pragma once

#include "codegen/kernel_spec.h"
#include "codegen/static/matmul/unroll.h"
#include "runtime/kernel_args.h"
#include "runtime/rounding.h"

namespace bitnetc {
namespace {  // NOLINT(google-build-namespaces)

constexpr int64_t lesser(int64_t a, int64_t b) {
  return a < b ? a : b;
}

template <class Decoder>
struct Problem {
  const MatmulArgs& args;
  Epilogue epilogue;
  float* row_absmax;  // null: not wanted
  int64_t tokens;
  int64_t groups;      // of columns; the last one ends in zeros of x
  int64_t blocks;      // of a tile
  int64_t tile_bytes;  // of packed weights
  int64_t x_columns;   // that may be read

  Problem(const MatmulSpec& spec, const MatmulArgs& call)
      : args(call),
        epilogue(spec.epilogue),
        row_absmax(spec.row_absmax ? call.row_absmax : nullptr),
        tokens(spec.m == kAnyM ? call.m : spec.m),
        groups(ceil_div(spec.k, kDotGroupColumns)),
        blocks(ceil_div(spec.k, Decoder::kColumns)),
        tile_bytes(blocks * Decoder::kBlockBytes),
        x_columns(round_up(spec.k, kQuantPad)) {}
};

inline int32_t load_dword(const int8_t* from) {
  int32_t value;
  __builtin_memcpy(&value, from, sizeof value);
  return value;
}

// body(Constant<count>(), tile) over the tiles of the call, kTiles at a time and the rest in
// halves. Gated epilogues have an even number of tiles, so that with an even kTiles pairs stay
// together.
template <int kTiles, typename Body>
void for_each_tile_group(int64_t tile, int64_t tile_end, const Body& body) {
  for (; tile + kTiles <= tile_end; tile += kTiles) body(Constant<kTiles>(), tile);
  if constexpr (kTiles > 1)
    if (tile < tile_end) for_each_tile_group<kTiles / 2>(tile, tile_end, body);
}

}  // namespace
}  // namespace bitnetc
