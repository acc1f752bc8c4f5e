// rms_norm_avx2     y = (x * r) * weight,  r = 1 / sqrt(lanes64 sum of squares / k + eps);
//                   maybe y = residual + that. head_norm_avx2: the same of every head, in place
//
// Shapes     x, weight, residual, y f32[k], any k
// Reference  codegen/reference/norm.cpp

#include "codegen/static/static_kernels.h"
#include "codegen/static/vectors_avx2.h"

namespace bitnetc {
namespace {

// y and residual may be x, residual may be null. A vector is read before it is written.
void normalise(int64_t k, float eps, const float* x, const float* weight, const float* residual,
               float* y) {
  const float sum_of_squares = dot_lanes64<FloatType::kF32>(x, x, 0, k);
  const __m128 mean = _mm_set_ss(sum_of_squares / static_cast<float>(k) + eps);
  const __m256 r = _mm256_set1_ps(1.0f / _mm_cvtss_f32(_mm_sqrt_ss(mean)));
  int64_t i = 0;
  for (; i + kVector <= k; i += kVector) {
    const __m256 scaled = _mm256_mul_ps(_mm256_loadu_ps(x + i), r);
    __m256 value = _mm256_mul_ps(scaled, _mm256_loadu_ps(weight + i));
    if (residual != nullptr) value = _mm256_add_ps(_mm256_loadu_ps(residual + i), value);
    _mm256_storeu_ps(y + i, value);
  }
  if (i < k) {
    const __m256i present = first_lanes(k - i);
    const __m256 scaled = _mm256_mul_ps(_mm256_maskload_ps(x + i, present), r);
    __m256 value = _mm256_mul_ps(scaled, _mm256_maskload_ps(weight + i, present));
    if (residual != nullptr)
      value = _mm256_add_ps(_mm256_maskload_ps(residual + i, present), value);
    _mm256_maskstore_ps(y + i, present, value);
  }
}

}  // namespace

void rms_norm_avx2(const RmsNormSpec& spec, const RmsNormArgs& args) {
  normalise(spec.k, spec.eps, args.x, args.weight, spec.residual ? args.residual : nullptr, args.y);
}

void head_norm_avx2(const HeadNormSpec& spec, const HeadNormArgs& args) {
  for (int64_t h = 0; h < spec.heads; ++h) {
    float* const head = args.x + h * spec.head_dim;
    normalise(spec.head_dim, spec.eps, head, args.weight, nullptr, head);
  }
}

}  // namespace bitnetc
