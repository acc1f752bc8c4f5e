// The 512-bit vectors of the static matmul kernels: one holds the 16 rows of a tile, a dword each.
// AVX-512 F, BW, DQ and VL. Internal linkage throughout: see codegen/static/vectors_avx2.h.
#pragma once

#include <immintrin.h>

#include <cstdint>

namespace bitnetc {
namespace {  // NOLINT(google-build-namespaces)

struct Zmm {
  using Int = __m512i;
  using Float = __m512;
  static constexpr int kParts = 1;  // vectors of a tile's rows
  static constexpr int kLanes = 16;

  static Int zero() { return _mm512_setzero_si512(); }
  static Int load(const void* from) { return _mm512_loadu_si512(from); }
  static void store(void* to, Int value) { _mm512_storeu_si512(to, value); }
  static Int broadcast(int32_t value) { return _mm512_set1_epi32(value); }
  static Int add(Int a, Int b) { return _mm512_add_epi32(a, b); }
  static Int subtract(Int a, Int b) { return _mm512_sub_epi32(a, b); }
  static Int bit_and(Int a, Int b) { return _mm512_and_si512(a, b); }
  template <int kBits>
  static Int shift_words_right(Int a) {
    return _mm512_srli_epi16(a, kBits);
  }
  template <int kBits>
  static Int shift_right(Int a) {
    return _mm512_srai_epi32(a, kBits);
  }
  // Rows of a part, natural order, from the sums of a tile.
  template <bool kInterleaved>
  static Int rows(const int32_t* sums, int) {
    static_assert(!kInterleaved);
    return load(sums);
  }

  static Float broadcast(float value) { return _mm512_set1_ps(value); }
  static Float load(const float* from) { return _mm512_loadu_ps(from); }
  static void store(float* to, Float value) { _mm512_storeu_ps(to, value); }
  static Float to_float(Int a) { return _mm512_cvtepi32_ps(a); }
  static Int to_int(Float a) { return _mm512_cvtps_epi32(a); }
  static Float add(Float a, Float b) { return _mm512_add_ps(a, b); }
  static Float multiply(Float a, Float b) { return _mm512_mul_ps(a, b); }
  static Float divide(Float a, Float b) { return _mm512_div_ps(a, b); }
  static Float fused(Float a, Float b, Float c) { return _mm512_fmadd_ps(a, b, c); }
  static Float max(Float a, Float b) { return _mm512_max_ps(a, b); }  // b for NaN and two zeros
  static Float min(Float a, Float b) { return _mm512_min_ps(a, b); }
  static Float absolute(Float a) { return _mm512_andnot_ps(_mm512_set1_ps(-0.0f), a); }
  static float largest(Float a) { return _mm512_reduce_max_ps(a); }  // of numbers, no NaN
  static Float negate(Float a) { return _mm512_xor_ps(a, _mm512_set1_ps(-0.0f)); }
  static Float rint(Float a) {
    return _mm512_roundscale_ps(a, _MM_FROUND_TO_NEAREST_INT | _MM_FROUND_NO_EXC);
  }
  // 2^exponent for the exponents of normal numbers.
  static Float power_of_two(Int exponent) {
    return _mm512_castsi512_ps(_mm512_slli_epi32(add(exponent, broadcast(127)), 23));
  }
};

}  // namespace
}  // namespace bitnetc
