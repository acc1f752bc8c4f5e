// matmul_avx512vbmi.cpp     matrix products of tl2 and b3, AVX-512 VNNI and VBMI
//
// As matmul_avx512vnni.cpp, in a file of its own because decoding needs VBMI.
// Work       vector operations for 128 weights at M = 1: tl2 5.3     b3 9.6
// Layouts    docs/layouts/          Reference  codegen/reference/matmul.cpp
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
