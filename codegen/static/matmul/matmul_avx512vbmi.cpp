// header later
#include "codegen/static/matmul/matmul_kernels.h"
#include "codegen/static/matmul/tier_avx512vnni.h"

namespace bitnetc {

void matmul_tl2_avx512vbmi(const MatmulSpec& spec, const MatmulArgs& args) {
  run<Avx512VnniTier, Tl2Zmm>(spec, args);
}
void matmul_b3_avx512vbmi(const MatmulSpec& spec, const MatmulArgs& args) {
  run<Avx512VnniTier, B3Zmm>(spec, args);
}

}  // namespace bitnetc
