// matmul_avxvnni.cpp     matrix products of any layout, AVX-VNNI: vpdpbusd on 256 bits
//
// Shapes     MatmulArgs; any N % 16 == 0, any K < 2^19, any M
// Few        up to 4 tokens (direct.h): one tile of 16 rows
//            ymm: up to 8 accumulators (chains at M = 1), the rest for decoding
// Many       panel.h, 3 tokens x 2 tiles
//            ymm: 12 accumulators, 3 activations, codes
// Work       vector operations for 128 weights at M = 1: i2_s 8     tl1 12     tl2 21     b3 26
// Exactness  vpdpbusd adds four products into int32 without saturation; kStaticKLimit bounds
//            the sums
// Layouts    docs/layouts/          Reference  codegen/reference/matmul.cpp
#include "codegen/static/matmul/decode_ymm.h"
#include "codegen/static/matmul/matmul_kernels.h"
#include "codegen/static/matmul/run.h"
#include "codegen/static/vectors_ymm.h"

namespace bitnetc {
namespace {

struct AvxVnniTier : Ymm {
  static constexpr int64_t kMostAdds = int64_t{1} << 40;  // int32 lanes: kStaticKLimit bounds them
  static constexpr int kMostChains = 8;
  static constexpr int kKeptBits = 6;
  static constexpr int kDirectTokens = 4;
  static constexpr int direct_tiles(int) { return 1; }
  // 12 accumulators, 3 activations, codes.
  static constexpr int kMicroTokens = 3, kMicroTiles = 2, kGroupTiles = 2;
  static constexpr int kPanelGroups = 128;  // 16 KiB with 2 tiles

  static Int dot(Int sum, Int codes, Int x4) { return _mm256_dpbusd_avx_epi32(sum, codes, x4); }
  static Int widen(Int sum) { return sum; }
};

}  // namespace

void matmul_i2s_avxvnni(const MatmulSpec& spec, const MatmulArgs& args) {
  run<AvxVnniTier, I2sYmm>(spec, args);
}
void matmul_tl1_avxvnni(const MatmulSpec& spec, const MatmulArgs& args) {
  run<AvxVnniTier, Tl1Ymm>(spec, args);
}
void matmul_tl2_avxvnni(const MatmulSpec& spec, const MatmulArgs& args) {
  run<AvxVnniTier, Tl2Ymm>(spec, args);
}
void matmul_b3_avxvnni(const MatmulSpec& spec, const MatmulArgs& args) {
  run<AvxVnniTier, B3Ymm>(spec, args);
}

}  // namespace bitnetc
