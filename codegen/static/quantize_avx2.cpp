// quantize_avx2     q = clamp(rint(x * 127 / a)),  a = the greatest absmax, at least 1e-5
//
// Absmax     what other kernels left of the row, or found here in a pass of its own
// Shapes     x f32[k]   q i8[round_up(k, 64)], pad zero   any k
// Work       32 columns an iteration: 4 each of multiply, max, min, convert, add; 3 packs and a
//            permutation;
//            0.36 us for K = 6912, where norm and quantisation take 0.65 (AMD EPYC Zen 5)
// Exactness  The clamp comes before rint: its limits are integers, so the order does not matter,
//            and a NaN takes the lower limit, as in the reference. The sum of q: any order.
// Reference  codegen/reference/norm.cpp

#include "codegen/static/static_kernels.h"
#include "codegen/static/vectors_avx2.h"

namespace bitnetc {
namespace {

constexpr int64_t kGroup = 4 * kVector;

// The codes of 8 columns as i32.
__m256i codes_of(const float* x, __m256 factor) {
  const __m256 scaled = _mm256_mul_ps(_mm256_loadu_ps(x), factor);
  const __m256 floored = _mm256_max_ps(scaled, _mm256_set1_ps(-128.0f));  // the limit for a NaN
  return _mm256_cvtps_epi32(_mm256_min_ps(floored, _mm256_set1_ps(127.0f)));
}

// Writes 32 codes; returns their sums by lane.
__m256i quantize_group(const float* x, __m256 factor, int8_t* q) {
  const __m256i a = codes_of(x, factor), b = codes_of(x + kVector, factor);
  const __m256i c = codes_of(x + 2 * kVector, factor), d = codes_of(x + 3 * kVector, factor);
  // Packs work in halves of 128 bits: a b c d come out as dwords 0 2 4 6 of the row, then 1 3 5 7.
  const __m256i bytes = _mm256_packs_epi16(_mm256_packs_epi32(a, b), _mm256_packs_epi32(c, d));
  const __m256i in_order =
      _mm256_permutevar8x32_epi32(bytes, _mm256_setr_epi32(0, 4, 1, 5, 2, 6, 3, 7));
  _mm256_storeu_si256(reinterpret_cast<__m256i*>(q), in_order);
  return _mm256_add_epi32(_mm256_add_epi32(a, b), _mm256_add_epi32(c, d));
}

int32_t sum_of(__m256i lanes) {
  __m128i sum = _mm_add_epi32(_mm256_castsi256_si128(lanes), _mm256_extracti128_si256(lanes, 1));
  sum = _mm_add_epi32(sum, _mm_shuffle_epi32(sum, 0b01001110));
  return _mm_cvtsi128_si32(_mm_add_epi32(sum, _mm_shuffle_epi32(sum, 0b10110001)));
}

constexpr float kMinAbsmax = 1e-5f;

float greatest(const float* values, int64_t count, int64_t stride) {
  float greatest = kMinAbsmax;
  for (int64_t i = 0; i < count; ++i)
    greatest = values[i * stride] > greatest ? values[i * stride] : greatest;
  return greatest;
}

// The second operand of vmaxps is what stays next to a NaN.
float absmax_of(const float* x, int64_t k) {
  const __m256 magnitude = _mm256_castsi256_ps(_mm256_set1_epi32(0x7fffffff));
  __m256 a = _mm256_set1_ps(kMinAbsmax), b = a;
  int64_t i = 0;
  for (; i + 2 * kVector <= k; i += 2 * kVector) {
    a = _mm256_max_ps(_mm256_and_ps(_mm256_loadu_ps(x + i), magnitude), a);
    b = _mm256_max_ps(_mm256_and_ps(_mm256_loadu_ps(x + i + kVector), magnitude), b);
  }
  for (; i < k; i += kVector) {
    const __m256 values = _mm256_maskload_ps(x + i, first_lanes(k - i));
    a = _mm256_max_ps(_mm256_and_ps(values, magnitude), a);
  }
  alignas(32) float lanes[kVector];
  _mm256_store_ps(lanes, _mm256_max_ps(a, b));
  return greatest(lanes, kVector, 1);
}

}  // namespace

void quantize_avx2(const QuantizeSpec& spec, const QuantizeArgs& args) {
  const float absmax = spec.find_absmax
                           ? absmax_of(args.x, spec.k)
                           : greatest(args.absmax, args.absmax_count, args.absmax_stride);
  const __m256 factor = _mm256_set1_ps(127.0f / absmax);
  __m256i sums = _mm256_setzero_si256();
  int64_t i = 0;
  for (; i + kGroup <= spec.k; i += kGroup)
    sums = _mm256_add_epi32(sums, quantize_group(args.x + i, factor, args.q + i));
  if (i < spec.k) {
    float rest[kGroup] = {};
    std::memcpy(rest, args.x + i, static_cast<size_t>(spec.k - i) * sizeof(float));
    sums = _mm256_add_epi32(sums, quantize_group(rest, factor, args.q + i));
    i += kGroup;
  }
  if (i < spec.padded_k())
    _mm256_storeu_si256(reinterpret_cast<__m256i*>(args.q + i), _mm256_setzero_si256());
  *args.scale = absmax / 127.0f;
  *args.sum = sum_of(sums);
}

}  // namespace bitnetc
