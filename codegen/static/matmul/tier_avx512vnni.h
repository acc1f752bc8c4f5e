// The AVX-512 VNNI tier of the static matmul kernels: vpdpbusd on 512 bits.
#pragma once

#include "codegen/static/matmul/decode_zmm.h"
#include "codegen/static/matmul/run.h"
#include "codegen/static/vectors_zmm.h"

namespace bitnetc {
namespace {  // NOLINT(google-build-namespaces)

struct Avx512VnniTier : Zmm {
  static constexpr int64_t kMostAdds = int64_t{1} << 40;  // int32 lanes: kStaticKLimit bounds them
  static constexpr int kMostChains = 16;
  static constexpr int kKeptBits = 6;
  static constexpr int kDirectTokens = kMaxSmallM;
  static constexpr int direct_tiles(int tokens) { return tokens == 1 ? 4 : tokens == 2 ? 2 : 1; }
  // 24 accumulators, 6 activations, 1 of codes.
  static constexpr int kMicroTokens = 6, kMicroTiles = 4, kGroupTiles = 4;
  static constexpr int kPanelGroups = 128;  // 32 KiB with 4 tiles

  static Int dot(Int sum, Int codes, Int x4) { return _mm512_dpbusd_epi32(sum, codes, x4); }
  static Int widen(Int sum) { return sum; }
};

}  // namespace
}  // namespace bitnetc
