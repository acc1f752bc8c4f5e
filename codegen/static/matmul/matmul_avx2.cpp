// header later
#include "codegen/static/matmul/decode_ymm.h"
#include "codegen/static/matmul/matmul_kernels.h"
#include "codegen/static/matmul/run.h"
#include "codegen/static/matmul/vectors_ymm.h"

namespace bitnetc {
namespace {

struct Avx2Tier : Ymm {
  static constexpr int64_t kMostAdds = 64;  // pairs of products within [-512, 508] to an int16 lane
  static constexpr int kKeptBits = 2;
  static constexpr int kDirectTokens = 4;
  static constexpr int direct_tiles(int) { return 1; }
  // 8 accumulators, 4 activations, codes, product.
  static constexpr int kMicroTokens = 4, kMicroTiles = 1, kStepTiles = 2;
  static constexpr int kPanelGroups = kMostAdds;

  static Int dot(Int sum, Int codes, Int x4) {
    return _mm256_add_epi16(sum, _mm256_maddubs_epi16(codes, x4));
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
