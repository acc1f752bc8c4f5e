// The scalar functions of docs/numerics.md: lane sums, conversions, exp and its relatives, sin,
// cos, log and pow. No libm function takes part except those whose result IEEE-754 fixes (fma,
// sqrt, rint), so every machine computes the same bits. Every constant and every rounding is part
// of the specification; change nothing here without changing the page, the generators that repeat
// it, and their revisions. Pure functions: any thread may call them, under the default rounding
// mode.
#pragma once

#include <cstdint>
#include <span>
#include <vector>

#include "runtime/float_type.h"
#include "runtime/model_config.h"

namespace bitnetc::math {

inline constexpr int kLanes = 64;

// Folds 64 partial sums by halves: s = 32, 16, 8, 4, 2, 1: lane[l] += lane[l + s]. Returns lane[0].
float fold_lanes(float lanes[kLanes]);

float widen_f16(uint16_t bits);   // exact; a NaN becomes quiet
float widen_bf16(uint16_t bits);  // exact
uint16_t round_to_f16(float x);   // nearest even; from 65520 on infinity; a NaN stays one, quiet
uint16_t round_to_bf16(float x);  // nearest even; a NaN stays one, quiet
// widen_f16 or widen_bf16 of `count` elements, or a copy of fp32. `bytes` need not be aligned.
void widen(FloatType type, const uint8_t* bytes, int64_t count, float* out);

// e^x: max error 1 ulp, subnormal results included. +0 from -104 down, infinity from 89 up.
float exp_f32(float x);
// The softmax weight of a score x below the largest: exp_f32(x), and +0 for x < -64.
float softmax_weight(float x);
// x / (1 + exp_f32(-x)).
float silu_f32(float x);
// x * (1 + tanh(sqrt(2/pi) * (x + 0.044715 x^3))) / 2, as x / (1 + exp_f32(-...)).
float gelu_f32(float x);

// e^x in double: max error 1 ulp where the result is normal. +0 from -746 down, infinity from 710
// up.
double exp_f64(double x);
// Natural logarithm in double: max error 1 ulp. x = 0 gives -infinity, x < 0 NaN.
double log_f64(double x);
// base^exponent in double, base > 0 and finite: max error 2 ulp.
double pow_f64(double base, double exponent);
// sin and cos in double, |x| <= 2^25: max error 1 ulp.
double sin_f64(double x);
double cos_f64(double x);

// theta^(-2i/d) for i in [0, d/2), scaled: the RoPE frequency of each rotated pair, in radians per
// position. head_dim is even.
std::vector<double> rope_frequencies(int64_t head_dim, double theta,
                                     const RopeScaling& scaling = {});
// (0.1 weight) ln(factor) + 1, the amplitude that yarn was published with; 1 for a factor of 1 or
// less.
double yarn_amplitude(double factor, double weight = 1);
// Row `position` of the RoPE tables: amplitude * cos and sin of position * frequencies[i], rounded
// once to fp32.
//   cos, sin   f32[frequencies.size()]
void rope_row(int64_t position, std::span<const double> frequencies, double amplitude, float* cos,
              float* sin);

}  // namespace bitnetc::math
