// glu_avx2     y[n] = activation(gate[n]) * up[n]
//
// Shapes     gate, up, y f32[n], any n
// Reference  codegen/reference/matmul.cpp

#include "codegen/static/gates.h"
#include "codegen/static/static_kernels.h"
#include "codegen/static/vectors_avx2.h"
#include "codegen/static/vectors_ymm.h"

namespace bitnetc {
namespace {

template <Epilogue kEpilogue>
[[gnu::flatten]] void glu_as(int64_t n, const GluArgs& args) {
  int64_t i = 0;
  for (; i + kVector <= n; i += kVector)
    Ymm::store(args.y + i, gated<Ymm, kEpilogue>(Ymm::load(args.gate + i), Ymm::load(args.up + i)));
  if (i < n) {
    const __m256i present = first_lanes(n - i);
    const __m256 gate = _mm256_maskload_ps(args.gate + i, present);
    const __m256 up = _mm256_maskload_ps(args.up + i, present);
    _mm256_maskstore_ps(args.y + i, present, gated<Ymm, kEpilogue>(gate, up));
  }
}

}  // namespace

void glu_avx2(const GluSpec& spec, const GluArgs& args) {
  switch (spec.epilogue) {
    case Epilogue::kSiluMul: return glu_as<Epilogue::kSiluMul>(spec.n, args);
    case Epilogue::kGeluMul: return glu_as<Epilogue::kGeluMul>(spec.n, args);
    default: return glu_as<Epilogue::kRelu2Mul>(spec.n, args);
  }
}

}  // namespace bitnetc
