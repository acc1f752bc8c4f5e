// header later
#include "codegen/static/matmul/decode_ymm.h"
#include "codegen/static/matmul/matmul_kernels.h"
#include "codegen/static/matmul/run.h"
#include "codegen/static/matmul/vectors_ymm.h"

namespace bitnetc {
namespace {

struct AvxVnniTier : Ymm {
  static constexpr int64_t kMostAdds = int64_t{1} << 40;  // int32 lanes: kStaticKLimit bounds them
  static constexpr int kKeptBits = 6;
  static constexpr int kDirectTokens = 4;
  static constexpr int direct_tiles(int) { return 1; }
  // 12 accumulators, 3 activations, codes.
  static constexpr int kMicroTokens = 3, kMicroTiles = 2, kStepTiles = 2;
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
