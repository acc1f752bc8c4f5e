#include "runtime/math.h"

#include <algorithm>
#include <bit>
#include <cmath>
#include <cstring>
#include <limits>

#include "runtime/cpu_features.h"

namespace bitnetc::math {

// ---- lane sums and conversions

float fold_lanes(float lanes[kLanes]) {
  for (int half = kLanes / 2; half >= 1; half /= 2)
    for (int lane = 0; lane < half; ++lane) lanes[lane] += lanes[lane + half];
  return lanes[0];
}

float widen_f16(uint16_t bits) {
  const uint32_t sign = uint32_t{bits & 0x8000u} << 16;
  const uint32_t exponent = (bits >> 10) & 0x1f;
  const uint32_t mantissa = bits & 0x3ff;
  if (exponent == 0x1f) {
    const uint32_t quiet = mantissa != 0 ? 0x400000 : 0;
    return std::bit_cast<float>(sign | 0x7f800000 | quiet | mantissa << 13);
  }
  if (exponent == 0) {  // zero and subnormals: mantissa * 2^-24
    const float magnitude = static_cast<float>(mantissa) * 0x1p-24f;
    return std::bit_cast<float>(sign | std::bit_cast<uint32_t>(magnitude));
  }
  return std::bit_cast<float>(sign | (exponent + 112) << 23 | mantissa << 13);
}

float widen_bf16(uint16_t bits) {
  return std::bit_cast<float>(uint32_t{bits} << 16);
}

uint16_t round_to_f16(float x) {
  const uint32_t bits = std::bit_cast<uint32_t>(x);
  const uint32_t sign = bits >> 16 & 0x8000;
  const uint32_t magnitude = bits & 0x7fffffff;
  uint32_t half = 0;
  if (magnitude > 0x7f800000) {
    half = 0x7e00 | (magnitude >> 13 & 0x3ff);
  } else if (magnitude >= 0x477ff000) {  // 65520, halfway to the first value past the largest
    half = 0x7c00;
  } else if (magnitude >= 0x38800000) {  // 2^-14, the smallest normal
    const uint32_t rebiased = magnitude - (112u << 23);
    half = (rebiased + 0xfff + (rebiased >> 13 & 1)) >> 13;
  } else {  // a multiple of 2^-24; the scaling is exact and rint rounds to nearest even
    half = static_cast<uint32_t>(std::rint(std::bit_cast<float>(magnitude) * 0x1p24f));
  }
  return static_cast<uint16_t>(sign | half);
}

uint16_t round_to_bf16(float x) {
  const uint32_t bits = std::bit_cast<uint32_t>(x);
  if ((bits & 0x7fffffff) > 0x7f800000) return static_cast<uint16_t>(bits >> 16 | 0x40);
  return static_cast<uint16_t>((bits + 0x7fff + (bits >> 16 & 1)) >> 16);
}

namespace {

template <typename Widen>
void widen_all(const uint8_t* bytes, int64_t count, float* out, Widen widen_one) {
  for (int64_t i = 0; i < count; ++i) {
    uint16_t stored = 0;
    std::memcpy(&stored, bytes + 2 * i, sizeof stored);
    out[i] = widen_one(stored);
  }
}

}  // namespace

void widen(FloatType type, const uint8_t* bytes, int64_t count, float* out) {
  switch (type) {
    case FloatType::kF32:
      std::memcpy(out, bytes, static_cast<size_t>(count) * sizeof(float));
      return;
    case FloatType::kF16:
      widen_all(bytes, count, out, [](uint16_t stored) { return widen_f16(stored); });
      return;
    case FloatType::kBf16:
      widen_all(bytes, count, out, [](uint16_t stored) { return widen_bf16(stored); });
      return;
  }
}

// ---- exp in single precision

namespace {

// 2^exponent for the exponents of normal numbers.
float power_of_two_f32(int exponent) {
  return std::bit_cast<float>(static_cast<uint32_t>(exponent + 127) << 23);
}
double power_of_two_f64(int exponent) {
  return std::bit_cast<double>(static_cast<uint64_t>(exponent + 1023) << 52);
}

}  // namespace

float exp_f32(float x) {
  if (std::isnan(x)) return x + x;
  x = std::min(std::max(x, -104.0f), 89.0f);
  const float n = std::rint(x * 0x1.715476p+0f);  // log2(e)
  float r = std::fma(n, -0x1.62e430p-1f, x);      // ln 2, high part: exact
  r = std::fma(n, 0x1.05c610p-29f, r);            // ln 2, low part (it is negative)
  float p = 0x1.6fef60p-10f;                      // minimax on [-ln2/2, ln2/2], last three fixed
  p = std::fma(p, r, 0x1.1257d8p-7f);
  p = std::fma(p, r, 0x1.555300p-5f);
  p = std::fma(p, r, 0x1.555466p-3f);
  p = std::fma(p, r, 0.5f);
  p = std::fma(p, r, 1.0f);
  p = std::fma(p, r, 1.0f);
  // 2^n in two factors, each of them normal; only the second product can round.
  const int exponent = static_cast<int>(n);
  const int first = exponent >> 1;
  return p * power_of_two_f32(first) * power_of_two_f32(exponent - first);
}

float softmax_weight(float x) {
  return x < -64.0f ? 0.0f : exp_f32(x);
}

float silu_f32(float x) {
  return x / (1.0f + exp_f32(-x));
}

float gelu_f32(float x) {
  constexpr float kLinear = 0x1.988454p+0f;  // 2 * sqrt(2/pi)
  constexpr float kCubic = 0x1.2444f2p-4f;   // 0.044715 * 2 * sqrt(2/pi)
  const float slope = std::fma(x * x, kCubic, kLinear);
  return x / (1.0f + exp_f32(-(x * slope)));
}

// ---- exp, log and pow in double

namespace {

constexpr double kInfinity = std::numeric_limits<double>::infinity();

// e^(x + tail), |tail| below an ulp of x or so. Inlined so that it takes on the instructions of its
// caller.
[[gnu::always_inline]] inline double exp_with_tail(double x, double tail) {
  if (std::isnan(x)) return x + x;
  x = std::min(std::max(x, -746.0), 710.0);
  const double n = std::rint(x * 0x1.71547652b82fep+0);                 // log2(e)
  const double reduced = std::fma(n, -0x1.62e42fefa39efp-1, x);         // ln 2, high part: exact
  const double correction = std::fma(n, -0x1.abc9e3b39803fp-56, tail);  // ln 2, low part
  const double r = reduced + correction;
  const double r_low = (reduced - r) + correction;
  constexpr double kInverseFactorials[] = {
      // 1/13! ... 1/2!
      0x1.6124613a86d09p-33, 0x1.1eed8eff8d898p-29, 0x1.ae64567f544e4p-26, 0x1.27e4fb7789f5cp-22,
      0x1.71de3a556c734p-19, 0x1.a01a01a01a01ap-16, 0x1.a01a01a01a01ap-13, 0x1.6c16c16c16c17p-10,
      0x1.1111111111111p-7,  0x1.5555555555555p-5,  0x1.5555555555555p-3,  0.5};
  double series = 0;
  for (const double coefficient : kInverseFactorials) series = std::fma(series, r, coefficient);
  const double p = 1 + (r + std::fma(r * r, series, r_low));
  const int exponent = static_cast<int>(n);
  const int first = exponent >> 1;
  return p * power_of_two_f64(first) * power_of_two_f64(exponent - first);
}

// A number as an unevaluated sum; |low| is at most half an ulp of high.
struct DoubleDouble {
  double high, low;
};

// ln x for finite x > 0. With x = m * 2^e and s = (m - 1) / (m + 1):
// ln x = e ln 2 + 2 s + 2 s^3 (1/3 + s^2/5 + ...).
DoubleDouble log_in_two_parts(double x) {
  int e = 0;
  double m = std::frexp(x, &e);
  if (m < 0x1.6a09e667f3bcdp-1) {  // sqrt(1/2)
    m *= 2;
    e -= 1;
  }
  const double numerator = m - 1;  // exact
  const double denominator = m + 1;
  const double denominator_low = m - (denominator - 1);
  const double s = numerator / denominator;
  double remainder = std::fma(-s, denominator, numerator);
  remainder = std::fma(-s, denominator_low, remainder);
  const double s_low = remainder / denominator;

  const double z = s * s;
  constexpr double kOddReciprocals[] = {
      // 1/25 ... 1/3
      0x1.47ae147ae147bp-5, 0x1.642c8590b2164p-5, 0x1.8618618618618p-5, 0x1.af286bca1af28p-5,
      0x1.e1e1e1e1e1e1ep-5, 0x1.1111111111111p-4, 0x1.3b13b13b13b14p-4, 0x1.745d1745d1746p-4,
      0x1.c71c71c71c71cp-4, 0x1.2492492492492p-3, 0x1.999999999999ap-3, 0x1.5555555555555p-2};
  double series = 0;
  for (const double coefficient : kOddReciprocals) series = std::fma(series, z, coefficient);
  const double small = 2 * (s_low + s * z * series);

  const double e_ln2 = e * 0x1.62e42fefa2p-1;  // ln 2 to 40 bits: exact
  const double e_ln2_low = e * 0x1.9ef35793c7673p-41;
  const double sum = e_ln2 + 2 * s;
  const double low = ((e_ln2 - sum) + 2 * s) + (small + e_ln2_low);
  const double high = sum + low;
  return {high, (sum - high) + low};
}

}  // namespace

#if defined(__x86_64__)
namespace {
__attribute__((target("avx2,fma"))) double exp_f64_fma(double x) {
  return exp_with_tail(x, 0);
}
}  // namespace
#endif

// The same operations either way; without the instructions each fma is a call into libm, and the
// sampler takes one exponential per token of the vocabulary.
double exp_f64(double x) {
#if defined(__x86_64__)
  static const bool has_fma =
      cpu_features().has(Feature::kAvx2) && cpu_features().has(Feature::kFma);
  if (has_fma) return exp_f64_fma(x);
#endif
  return exp_with_tail(x, 0);
}

double log_f64(double x) {
  if (std::isnan(x) || x < 0) return std::numeric_limits<double>::quiet_NaN();
  if (x == 0) return -kInfinity;
  if (x == kInfinity) return kInfinity;
  return log_in_two_parts(x).high;
}

double pow_f64(double base, double exponent) {
  const DoubleDouble log_base = log_in_two_parts(base);
  const double product = exponent * log_base.high;
  const double rounding = std::fma(exponent, log_base.high, -product);
  return exp_with_tail(product, std::fma(exponent, log_base.low, rounding));
}

// ---- sin and cos in double

namespace {

// x = quadrant * pi/2 + high + low, |high| <= pi/4.
struct ReducedAngle {
  double high, low;
  int quadrant;
};

ReducedAngle reduce_angle(double x) {
  const double k = std::rint(x * 0x1.45f306dc9c883p-1);  // 2/pi
  // pi/2 in three parts. The first product leaves no error; that of the second is kept.
  const double r = std::fma(-k, 0x1.921fb54442d18p+0, x);
  const double w = k * 0x1.1a62633145c07p-54;
  const double w_low = std::fma(k, 0x1.1a62633145c07p-54, -w);
  const double sum = r - w;
  const double taken = sum - r;
  const double error = (r - (sum - taken)) - (w + taken);
  const double low = error - std::fma(k, -0x1.f1976b7ed8fbcp-110, w_low);
  const double high = sum + low;
  return {high, (sum - high) + low, static_cast<int>(static_cast<int64_t>(k) & 3)};
}

double sin_near_zero(double r, double r_low) {
  const double z = r * r;
  constexpr double kCoefficients[] = {
      // 1/17!, -1/15! ... -1/3!
      0x1.952c77030ad4ap-49, -0x1.ae7f3e733b81fp-41, 0x1.6124613a86d09p-33, -0x1.ae64567f544e4p-26,
      0x1.71de3a556c734p-19, -0x1.a01a01a01a01ap-13, 0x1.1111111111111p-7,  -0x1.5555555555555p-3};
  double series = 0;
  for (const double coefficient : kCoefficients) series = std::fma(series, z, coefficient);
  return r + std::fma(r * z, series, r_low * (1 - 0.5 * z));
}

double cos_near_zero(double r, double r_low) {
  const double z = r * r;
  constexpr double kCoefficients[] = {
      // -1/18!, 1/16! ... 1/4!
      -0x1.6827863b97d97p-53, 0x1.ae7f3e733b81fp-45, -0x1.93974a8c07c9dp-37, 0x1.1eed8eff8d898p-29,
      -0x1.27e4fb7789f5cp-22, 0x1.a01a01a01a01ap-16, -0x1.6c16c16c16c17p-10, 0x1.5555555555555p-5};
  double series = 0;
  for (const double coefficient : kCoefficients) series = std::fma(series, z, coefficient);
  const double half_z = 0.5 * z;
  const double head = 1 - half_z;
  return head + (((1 - head) - half_z) + std::fma(z * z, series, -(r * r_low)));
}

}  // namespace

double sin_f64(double x) {
  const ReducedAngle angle = reduce_angle(x);
  const double magnitude = angle.quadrant & 1 ? cos_near_zero(angle.high, angle.low)
                                              : sin_near_zero(angle.high, angle.low);
  return angle.quadrant & 2 ? -magnitude : magnitude;
}

double cos_f64(double x) {
  const ReducedAngle angle = reduce_angle(x);
  const double magnitude = angle.quadrant & 1 ? sin_near_zero(angle.high, angle.low)
                                              : cos_near_zero(angle.high, angle.low);
  return angle.quadrant == 1 || angle.quadrant == 2 ? -magnitude : magnitude;
}

// ---- RoPE tables

namespace {

constexpr double kTwoPi = 0x1.921fb54442d18p+2;

// Waves that fit into the context of training high_freq_factor times or more stay as they are,
// those that fit low_freq_factor times or fewer are stretched, and between them the two are mixed.
double llama3_frequency(double frequency, const RopeScaling& scaling) {
  const auto positions = static_cast<double>(scaling.original_positions);
  const double wavelength = kTwoPi / frequency;
  if (wavelength < positions / scaling.high_freq_factor) return frequency;
  if (wavelength > positions / scaling.low_freq_factor) return frequency / scaling.factor;
  const double smooth = (positions / wavelength - scaling.low_freq_factor) /
                        (scaling.high_freq_factor - scaling.low_freq_factor);
  return ((1 - smooth) * frequency) / scaling.factor + smooth * frequency;
}

// Between two edges, pairs go over from the frequency as it is to the stretched one.
class YarnRamp {
 public:
  YarnRamp(int64_t head_dim, double theta, const RopeScaling& scaling) {
    const auto d = static_cast<double>(head_dim);
    const auto pair_that_turns = [&](double times) {
      const auto positions = static_cast<double>(scaling.original_positions);
      return (d * log_f64(positions / (times * kTwoPi))) / (2 * log_f64(theta));
    };
    low_ = pair_that_turns(scaling.beta_fast);
    high_ = pair_that_turns(scaling.beta_slow);
    if (scaling.truncate) low_ = std::floor(low_), high_ = std::ceil(high_);
    low_ = std::max(low_, 0.0);
    high_ = std::min(high_, d - 1);
    if (low_ == high_) high_ += 0.001;
  }
  double at(size_t pair) const {
    return std::clamp((static_cast<double>(pair) - low_) / (high_ - low_), 0.0, 1.0);
  }

 private:
  double low_ = 0, high_ = 0;
};

}  // namespace

std::vector<double> rope_frequencies(int64_t head_dim, double theta, const RopeScaling& scaling) {
  std::vector<double> frequencies(static_cast<size_t>(head_dim / 2));
  for (size_t i = 0; i < frequencies.size(); ++i)
    frequencies[i] = pow_f64(theta, -static_cast<double>(2 * i) / static_cast<double>(head_dim));
  switch (scaling.kind) {
    case RopeScaling::Kind::kNone: break;
    case RopeScaling::Kind::kLinear:
      for (double& frequency : frequencies) frequency = frequency / scaling.factor;
      break;
    case RopeScaling::Kind::kLlama3:
      for (double& frequency : frequencies) frequency = llama3_frequency(frequency, scaling);
      break;
    case RopeScaling::Kind::kYarn: {
      const YarnRamp ramp(head_dim, theta, scaling);
      for (size_t i = 0; i < frequencies.size(); ++i) {
        const double f = frequencies[i], mix = ramp.at(i);
        frequencies[i] = (f / scaling.factor) * mix + f * (1 - mix);
      }
      break;
    }
  }
  return frequencies;
}

double yarn_amplitude(double factor, double weight) {
  return factor <= 1 ? 1 : 0.1 * weight * log_f64(factor) + 1;
}

void rope_row(int64_t position, std::span<const double> frequencies, double amplitude, float* cos,
              float* sin) {
  for (size_t i = 0; i < frequencies.size(); ++i) {
    const double angle = static_cast<double>(position) * frequencies[i];
    cos[i] = static_cast<float>(amplitude * cos_f64(angle));
    sin[i] = static_cast<float>(amplitude * sin_f64(angle));
  }
}

}  // namespace bitnetc::math
