// From the sums of codes w + 1 to outputs (docs/numerics.md, section 8): the epilogue of the static
// matmul kernels, for the vectors of any tier.
#pragma once

#include "codegen/kernel_spec.h"
#include "codegen/static/gates.h"
#include "runtime/kernel_args.h"

namespace bitnetc {
namespace {  // NOLINT(google-build-namespaces)

// Sums of some tokens and some neighbouring tiles: sums[token * token_stride + tile * kTileRows +
// row].
struct TileSums {
  const int32_t* sums;
  int64_t token_stride;
  int64_t token_begin, token_end;
  int64_t tile_begin;  // of the matrix
  int tiles;
  float* row_absmax;  // by token; null: not wanted
};

template <typename V, bool kInterleaved, Epilogue kEpilogue>
[[gnu::flatten]] void finish_as(const MatmulArgs& args, const TileSums& of) {
  using Float = typename V::Float;
  constexpr bool kGated = kEpilogue >= Epilogue::kRelu2Mul;
  constexpr int kTilesPerOutput = kGated ? 2 : 1;
  for (int64_t token = of.token_begin; token < of.token_end; ++token) {
    const int32_t* sums = of.sums + (token - of.token_begin) * of.token_stride;
    const typename V::Int x_sum = V::broadcast(args.x_sum[token]);
    const auto scaled = [&](int tile, int part) {
      const float factor = args.x_scale[token] * args.tile_scale[of.tile_begin + tile];
      const auto rows = V::template rows<kInterleaved>(sums + tile * kTileRows, part);
      return V::multiply(V::to_float(V::subtract(rows, x_sum)), V::broadcast(factor));
    };
    Float most = V::broadcast(of.row_absmax != nullptr ? of.row_absmax[token] : 0.0f);
    for (int tile = 0; tile < of.tiles; tile += kTilesPerOutput) {
      const int64_t at =
          token * args.y_stride + (of.tile_begin + tile) / kTilesPerOutput * kTileRows;
      for (int part = 0; part < V::kParts; ++part) {
        Float value = scaled(tile, part);
        if constexpr (kGated) value = gated<V, kEpilogue>(value, scaled(tile + 1, part));
        if constexpr (kEpilogue == Epilogue::kResidual)
          value = V::add(V::load(args.residual + at + part * V::kLanes), value);
        V::store(args.y + at + part * V::kLanes, value);
        if (of.row_absmax != nullptr) most = V::max(V::absolute(value), most);  // a NaN leaves it
      }
    }
    if (of.row_absmax != nullptr) of.row_absmax[token] = V::largest(most);
  }
}

template <typename V, bool kInterleaved>
void finish(Epilogue epilogue, const MatmulArgs& args, const TileSums& of) {
  switch (epilogue) {
    case Epilogue::kScale: return finish_as<V, kInterleaved, Epilogue::kScale>(args, of);
    case Epilogue::kResidual: return finish_as<V, kInterleaved, Epilogue::kResidual>(args, of);
    case Epilogue::kRelu2Mul: return finish_as<V, kInterleaved, Epilogue::kRelu2Mul>(args, of);
    case Epilogue::kSiluMul: return finish_as<V, kInterleaved, Epilogue::kSiluMul>(args, of);
    case Epilogue::kGeluMul: return finish_as<V, kInterleaved, Epilogue::kGeluMul>(args, of);
  }
}

}  // namespace
}  // namespace bitnetc
