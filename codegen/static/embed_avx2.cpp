// embed_avx2     h[k] = row `token` of the table, widened, times the scale
//
// Shapes     table f32, f16 or bf16 [tokens][k], any k
// Reference  codegen/reference/tables.cpp

#include "codegen/static/static_kernels.h"
#include "codegen/static/vectors_avx2.h"

namespace bitnetc {

namespace {

template <FloatType kType>
void widen_row(const EmbedSpec& spec, const EmbedArgs& args) {
  const int64_t k = spec.k, row = args.token * k;
  const __m256 scale = _mm256_set1_ps(spec.scale);  // times 1 changes no bit
  int64_t i = 0;
  for (; i + kVector <= k; i += kVector)
    _mm256_storeu_ps(args.h + i, _mm256_mul_ps(load_widened<kType>(args.table, row + i), scale));
  if (i < k)
    _mm256_maskstore_ps(
        args.h + i, first_lanes(k - i),
        _mm256_mul_ps(load_widened_first<kType>(args.table, row + i, k - i), scale));
}

}  // namespace

void embed_avx2(const EmbedSpec& spec, const EmbedArgs& args) {
  switch (spec.type) {
    case FloatType::kF32: return widen_row<FloatType::kF32>(spec, args);
    case FloatType::kF16: return widen_row<FloatType::kF16>(spec, args);
    case FloatType::kBf16: return widen_row<FloatType::kBf16>(spec, args);
  }
}

}  // namespace bitnetc
