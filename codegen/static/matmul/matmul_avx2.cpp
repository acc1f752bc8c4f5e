// matmul_avx2.cpp     matrix products of any layout, AVX2: vpmaddubsw into int16 lanes
//
// Shapes     MatmulArgs; any N % 16 == 0, any K < 2^19, any M
// Few        up to 4 tokens (direct.h): one tile of 16 rows
//            ymm: 4 or 8 accumulators, the rest for decoding
// Many       panel.h, 4 tokens x 1 tile
//            ymm: 8 accumulators, 4 activations, codes, product
// Work       vector operations for 128 weights at M = 1, vpmaddubsw + vpaddw counted as two:
//            i2_s 13     tl1 16     tl2 27     b3 31
// Exactness  A pair of products is in [2*2*(-128), 2*2*127] = [-512, 508], so vpmaddubsw does not
//            saturate and 64 of them stay within int16: [-32768, 32512]. Codes left at bit 2 make
//            sums four times as large and count as four (Slots::blocks_per_run); a panel has 64
//            groups at most. Then lanes are widened to int32.
// Layouts    docs/layouts/          Reference  codegen/reference/matmul.cpp
#include "codegen/static/matmul/decode_ymm.h"
#include "codegen/static/matmul/matmul_kernels.h"
#include "codegen/static/matmul/run.h"
#include "codegen/static/vectors_ymm.h"

namespace bitnetc {
namespace {

struct Avx2Tier : Ymm {
  static constexpr int64_t kMostAdds = 64;  // pairs of products within [-512, 508] to an int16 lane
  static constexpr int kMostChains = 4;
  static constexpr int kKeptBits = 2;
  static constexpr int kDirectTokens = 4;
  static constexpr int direct_tiles(int) { return 1; }
  // 8 accumulators, 4 activations, codes, product.
  static constexpr int kMicroTokens = 4, kMicroTiles = 1, kGroupTiles = 2;
  static constexpr int kPanelGroups = kMostAdds;

  static Int dot(Int sum, Int codes, Int x4) {
    return _mm256_add_epi16(in_one_place(sum), _mm256_maddubs_epi16(codes, x4));
  }
  static Int widen(Int sum) { return _mm256_madd_epi16(sum, _mm256_set1_epi16(1)); }
};

}  // namespace

void matmul_i2s_avx2(const MatmulSpec& spec, const MatmulArgs& args) {
  run<Avx2Tier, I2sYmm>(spec, args);
}
void matmul_tl1_avx2(const MatmulSpec& spec, const MatmulArgs& args) {
  run<Avx2Tier, Tl1Ymm>(spec, args);
}
void matmul_tl2_avx2(const MatmulSpec& spec, const MatmulArgs& args) {
  run<Avx2Tier, Tl2Ymm>(spec, args);
}
void matmul_b3_avx2(const MatmulSpec& spec, const MatmulArgs& args) {
  run<Avx2Tier, B3Ymm>(spec, args);
}

}  // namespace bitnetc
