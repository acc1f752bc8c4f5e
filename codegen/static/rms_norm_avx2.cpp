// rms_norm_avx2     y = (x * r) * weight,  r = 1 / sqrt(lanes64 sum of squares / k + eps)
//
// Shapes     x, weight, y f32[k], any k
// Reference  codegen/reference/norm.cpp

#include "codegen/static/static_kernels.h"
#include "codegen/static/vectors_avx2.h"

namespace bitnetc {

void rms_norm_avx2(const RmsNormSpec& spec, const RmsNormArgs& args) {
  const float sum_of_squares = dot_lanes64<FloatType::kF32>(args.x, args.x, 0, spec.k);
  const __m128 mean = _mm_set_ss(sum_of_squares / static_cast<float>(spec.k) + spec.eps);
  const __m256 r = _mm256_set1_ps(1.0f / _mm_cvtss_f32(_mm_sqrt_ss(mean)));
  int64_t i = 0;
  for (; i + kVector <= spec.k; i += kVector) {
    const __m256 scaled = _mm256_mul_ps(_mm256_loadu_ps(args.x + i), r);
    _mm256_storeu_ps(args.y + i, _mm256_mul_ps(scaled, _mm256_loadu_ps(args.weight + i)));
  }
  if (i < spec.k) {
    const __m256i present = first_lanes(spec.k - i);
    const __m256 scaled = _mm256_mul_ps(_mm256_maskload_ps(args.x + i, present), r);
    const __m256 weight = _mm256_maskload_ps(args.weight + i, present);
    _mm256_maskstore_ps(args.y + i, present, _mm256_mul_ps(scaled, weight));
  }
}

}  // namespace bitnetc
