// matmul_avx512vnni.cpp     matrix products of i2_s and tl1, AVX-512 VNNI: vpdpbusd on 512 bits
//
// Shapes     MatmulArgs; any N % 16 == 0, any K < 2^19, any M
// Few        up to 8 tokens (direct.h): 4, 2 or 1 tiles of 16 rows side by side
//            zmm: M = 1, i2_s: 16 accumulators, 4 masks, 4 activations, codes
// Many       panel.h, 6 tokens x 4 tiles
//            zmm: 24 accumulators, 6 activations, codes
// Work       vector operations for 128 weights at M = 1: i2_s 4     tl1 6
// Exactness  vpdpbusd adds four products into int32 without saturation; kStaticKLimit bounds
//            the sums
// Layouts    docs/layouts/          Reference  codegen/reference/matmul.cpp
#include "codegen/static/matmul/matmul_kernels.h"
#include "codegen/static/matmul/tier_avx512vnni.h"

namespace bitnetc {

void matmul_i2s_avx512vnni(const MatmulSpec& spec, const MatmulArgs& args) {
  run<Avx512VnniTier, I2sZmm>(spec, args);
}
void matmul_tl1_avx512vnni(const MatmulSpec& spec, const MatmulArgs& args) {
  run<Avx512VnniTier, Tl1Zmm>(spec, args);
}

}  // namespace bitnetc
