// What the AVX2 kernels share: widening loads, the 64-lane sum. Vectors hold 8 floats.
//
// Everything here has internal linkage, and the *_avx2.cpp files call no inline function of the
// standard library: an inline function that was compiled with AVX2 could otherwise be the copy the
// linker keeps for the whole program, CPUs without AVX2 included.
#pragma once

#include <immintrin.h>

#include <cstdint>
#include <cstring>

#include "runtime/float_type.h"

namespace bitnetc {
namespace {  // NOLINT(google-build-namespaces)

constexpr int64_t kVector = 8;
constexpr int64_t kLaneCount = 64;
constexpr int kLaneVectors = kLaneCount / kVector;

// Elements [at, at + 8) of a float table, widened exactly.
template <FloatType kType>
inline __m256 load_widened(const void* table, int64_t at) {
  if constexpr (kType == FloatType::kF32) {
    return _mm256_loadu_ps(static_cast<const float*>(table) + at);
  } else {
    const uint16_t* address = static_cast<const uint16_t*>(table) + at;
    const __m128i bits = _mm_loadu_si128(reinterpret_cast<const __m128i*>(address));
    if constexpr (kType == FloatType::kF16) return _mm256_cvtph_ps(bits);
    return _mm256_castsi256_ps(_mm256_slli_epi32(_mm256_cvtepu16_epi32(bits), 16));
  }
}

// Elements [at, at + count), count < 8; the other lanes are +0.
template <FloatType kType>
inline __m256 load_widened_first(const void* table, int64_t at, int64_t count) {
  constexpr int64_t kBytes = float_type_bytes(kType);
  alignas(32) unsigned char copy[kVector * kBytes] = {};
  std::memcpy(copy, static_cast<const unsigned char*>(table) + at * kBytes,
              static_cast<size_t>(count * kBytes));
  return load_widened<kType>(copy, 0);
}

// All ones in the lanes below count.
inline __m256i first_lanes(int64_t count) {
  const __m256i lane = _mm256_setr_epi32(0, 1, 2, 3, 4, 5, 6, 7);
  return _mm256_cmpgt_epi32(_mm256_set1_epi32(static_cast<int>(count)), lane);
}

// The end of a lanes64 reduction (docs/numerics.md) of fma(x[i], y[i], .): takes in i in [begin,
// count), begin a multiple of 64, and folds. Lane l is element l % 8 of lanes[l / 8].
template <FloatType kType>
inline float finish_lanes64(__m256 lanes[kLaneVectors], const float* x, const void* y, int64_t y_at,
                            int64_t begin, int64_t count) {
  for (int j = 0; j < kLaneVectors; ++j) {
    const int64_t at = begin + j * kVector;
    if (at >= count) break;
    const __m256i present = first_lanes(count - at);
    const __m256 y_values = at + kVector <= count
                                ? load_widened<kType>(y, y_at + at)
                                : load_widened_first<kType>(y, y_at + at, count - at);
    const __m256 sum = _mm256_fmadd_ps(_mm256_maskload_ps(x + at, present), y_values, lanes[j]);
    // The lanes past the end stay untouched: adding a zero would turn -0 into +0.
    lanes[j] = _mm256_blendv_ps(lanes[j], sum, _mm256_castsi256_ps(present));
  }
  for (int half = kLaneVectors / 2; half >= 1; half /= 2)
    for (int j = 0; j < half; ++j) lanes[j] = _mm256_add_ps(lanes[j], lanes[j + half]);
  const __m128 four =
      _mm_add_ps(_mm256_castps256_ps128(lanes[0]), _mm256_extractf128_ps(lanes[0], 1));
  const __m128 two = _mm_add_ps(four, _mm_movehl_ps(four, four));
  return _mm_cvtss_f32(_mm_add_ss(two, _mm_movehdup_ps(two)));
}

// The whole reduction over i in [0, count); y starts at element y_at of its table.
template <FloatType kType>
inline float dot_lanes64(const float* x, const void* y, int64_t y_at, int64_t count) {
  __m256 lanes[kLaneVectors];
  for (__m256& lane : lanes) lane = _mm256_setzero_ps();
  int64_t i = 0;
  for (; i + kLaneCount <= count; i += kLaneCount) {
    for (int j = 0; j < kLaneVectors; ++j) {
      const int64_t at = i + j * kVector;
      lanes[j] =
          _mm256_fmadd_ps(_mm256_loadu_ps(x + at), load_widened<kType>(y, y_at + at), lanes[j]);
    }
  }
  return finish_lanes64<kType>(lanes, x, y, y_at, i, count);
}

}  // namespace
}  // namespace bitnetc
