// The 256-bit vectors of the static matmul kernels: two hold the 16 rows of a tile, a dword each.
// AVX2 and FMA. Internal linkage throughout: see codegen/static/vectors_avx2.h.
#pragma once

#include <immintrin.h>

#include <cstdint>

namespace bitnetc {
namespace {  // NOLINT(google-build-namespaces)

struct Ymm {
  using Int = __m256i;
  using Float = __m256;
  static constexpr int kParts = 2;  // vectors of a tile's rows
  static constexpr int kLanes = 8;

  static Int zero() { return _mm256_setzero_si256(); }
  static Int load(const void* from) {
    return _mm256_loadu_si256(static_cast<const __m256i*>(from));
  }
  static void store(void* to, Int value) { _mm256_storeu_si256(static_cast<__m256i*>(to), value); }
  static Int broadcast(int32_t value) { return _mm256_set1_epi32(value); }
  static Int add(Int a, Int b) { return _mm256_add_epi32(a, b); }
  static Int subtract(Int a, Int b) { return _mm256_sub_epi32(a, b); }
  static Int bit_and(Int a, Int b) { return _mm256_and_si256(a, b); }
  template <int kBits>
  static Int shift_words_right(Int a) {
    return _mm256_srli_epi16(a, kBits);
  }
  template <int kBits>
  static Int shift_right(Int a) {
    return _mm256_srai_epi32(a, kBits);
  }
  // Rows of a part, natural order, from the sums of a tile. Interleaved: what unpacking words
  // leaves, rows 0-3 and 8-11 in the first vector, 4-7 and 12-15 in the second.
  template <bool kInterleaved>
  static Int rows(const int32_t* sums, int part) {
    if constexpr (!kInterleaved) return load(sums + part * kLanes);
    const __m128i low = _mm_loadu_si128(reinterpret_cast<const __m128i*>(sums + 4 * part));
    const auto* high = reinterpret_cast<const __m128i*>(sums + kLanes + 4 * part);
    return _mm256_inserti128_si256(_mm256_castsi128_si256(low), _mm_loadu_si128(high), 1);
  }

  static Float broadcast(float value) { return _mm256_set1_ps(value); }
  static Float load(const float* from) { return _mm256_loadu_ps(from); }
  static void store(float* to, Float value) { _mm256_storeu_ps(to, value); }
  static Float to_float(Int a) { return _mm256_cvtepi32_ps(a); }
  static Int to_int(Float a) { return _mm256_cvtps_epi32(a); }
  static Float add(Float a, Float b) { return _mm256_add_ps(a, b); }
  static Float multiply(Float a, Float b) { return _mm256_mul_ps(a, b); }
  static Float divide(Float a, Float b) { return _mm256_div_ps(a, b); }
  static Float fused(Float a, Float b, Float c) { return _mm256_fmadd_ps(a, b, c); }
  static Float max(Float a, Float b) { return _mm256_max_ps(a, b); }  // b for NaN and two zeros
  static Float min(Float a, Float b) { return _mm256_min_ps(a, b); }
  static Float absolute(Float a) { return _mm256_andnot_ps(_mm256_set1_ps(-0.0f), a); }
  // Of numbers, no NaN.
  static float largest(Float a) {
    __m128 most = _mm_max_ps(_mm256_castps256_ps128(a), _mm256_extractf128_ps(a, 1));
    most = _mm_max_ps(most, _mm_movehl_ps(most, most));
    return _mm_cvtss_f32(_mm_max_ss(most, _mm_movehdup_ps(most)));
  }
  static Float negate(Float a) { return _mm256_xor_ps(a, _mm256_set1_ps(-0.0f)); }
  static Float rint(Float a) {
    return _mm256_round_ps(a, _MM_FROUND_TO_NEAREST_INT | _MM_FROUND_NO_EXC);
  }
  // 2^exponent for the exponents of normal numbers.
  static Float power_of_two(Int exponent) {
    return _mm256_castsi256_ps(_mm256_slli_epi32(add(exponent, broadcast(127)), 23));
  }
};

}  // namespace
}  // namespace bitnetc
