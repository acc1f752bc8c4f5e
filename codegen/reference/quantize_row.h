// The quantisation of a row to int8 with one scale (docs/numerics.md, section 7), which activations
// and the i8 cache share.
#pragma once

#include <algorithm>
#include <cmath>
#include <cstdint>

namespace bitnetc::reference {

// The least measure of a row: one that is all zeros is quantised too.
inline constexpr float kMinAbsmax = 1e-5f;

inline float absmax_of_row(int64_t k, const float* x) {
  float absmax = kMinAbsmax;
  for (int64_t i = 0; i < k; ++i) absmax = std::max(absmax, std::fabs(x[i]));
  return absmax;
}

// Of a row whose measure is `absmax`: what its values are multiplied by, and its scale.
inline float code_factor(float absmax) {
  return 127.0f / absmax;
}
inline float code_scale(float absmax) {
  return absmax / 127.0f;
}

// Ties to even. A NaN, which no finite model produces, gives -128 and not undefined behaviour.
inline int8_t to_code(float scaled) {
  const float rounded = std::rint(scaled);
  return static_cast<int8_t>(rounded > -128.0f ? std::min(rounded, 127.0f) : -128.0f);
}

}  // namespace bitnetc::reference
