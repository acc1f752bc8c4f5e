// header later
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
