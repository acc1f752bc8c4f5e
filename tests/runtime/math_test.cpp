// The scalar functions against MPFR (double) and against the proven double ones (single), with the
// bounds that runtime/math.h states; conversions exhaustively.
#include "runtime/math.h"

#include <gtest/gtest.h>
#include <mpfr.h>

#include <bit>
#include <cmath>
#include <cstdio>
#include <cstring>
#include <limits>
#include <random>
#include <vector>

namespace bitnetc::math {
namespace {

constexpr float kInfinityF = std::numeric_limits<float>::infinity();
constexpr double kInfinity = std::numeric_limits<double>::infinity();

// A 200-bit number.
class Exact {
 public:
  Exact() { mpfr_init2(value_, 200); }
  explicit Exact(double x) : Exact() { mpfr_set_d(value_, x, MPFR_RNDN); }
  ~Exact() { mpfr_clear(value_); }
  Exact(const Exact&) = delete;
  Exact& operator=(const Exact&) = delete;
  mpfr_ptr get() { return value_; }

 private:
  mpfr_t value_;
};

// Distance of `got` from `exact` in units of the last place of a double of exact's size.
double error_in_ulps(double got, Exact& exact) {
  const double size = std::fabs(mpfr_get_d(exact.get(), MPFR_RNDZ));
  const double ulp = std::nextafter(size, kInfinity) - size;
  Exact difference;
  mpfr_d_sub(difference.get(), got, exact.get(), MPFR_RNDN);
  mpfr_div_d(difference.get(), difference.get(), ulp, MPFR_RNDN);
  return std::fabs(mpfr_get_d(difference.get(), MPFR_RNDN));
}

// Largest error of f over uniform draws from [low, high].
template <typename Function, typename ExactFunction>
double largest_error(double low, double high, int count, Function f, ExactFunction exact_f) {
  std::mt19937_64 random(20240607);
  std::uniform_real_distribution<double> draw(low, high);
  double worst = 0;
  for (int i = 0; i < count; ++i) {
    const double x = draw(random);
    Exact exact(x);
    exact_f(exact.get(), exact.get(), MPFR_RNDN);
    worst = std::max(worst, error_in_ulps(f(x), exact));
  }
  return worst;
}

TEST(MathTest, ExpF64IsWithinOneUlp) {
  double worst = 0;
  for (const double reach : {0.4, 20.0, 708.0})
    worst = std::max(worst, largest_error(-reach, reach, 200000, exp_f64, mpfr_exp));
  std::printf("exp_f64: max error %.3f ulp\n", worst);
  EXPECT_LE(worst, 1.0);
}

TEST(MathTest, ExpF64AtItsEdges) {
  EXPECT_EQ(exp_f64(0.0), 1.0);
  EXPECT_EQ(exp_f64(-0.0), 1.0);
  EXPECT_EQ(exp_f64(-kInfinity), 0.0);
  EXPECT_EQ(exp_f64(-746.0), 0.0);
  EXPECT_EQ(exp_f64(-745.0), 0x1p-1074);
  EXPECT_EQ(exp_f64(710.0), kInfinity);
  EXPECT_EQ(exp_f64(kInfinity), kInfinity);
  EXPECT_TRUE(std::isnan(exp_f64(std::nan(""))));
}

TEST(MathTest, LogF64IsWithinOneUlp) {
  double worst = largest_error(0.5, 2.0, 200000, log_f64, mpfr_log);
  worst = std::max(worst, largest_error(1 - 1e-6, 1 + 1e-6, 200000, log_f64, mpfr_log));
  worst = std::max(worst, largest_error(1e-3, 1e7, 200000, log_f64, mpfr_log));
  worst = std::max(worst, largest_error(0x1p-1074, 0x1p-1020, 10000, log_f64, mpfr_log));
  std::printf("log_f64: max error %.3f ulp\n", worst);
  EXPECT_LE(worst, 1.0);
  EXPECT_EQ(log_f64(1.0), 0.0);
  EXPECT_EQ(log_f64(0.0), -kInfinity);
  EXPECT_EQ(log_f64(kInfinity), kInfinity);
  EXPECT_TRUE(std::isnan(log_f64(-1.0)));
}

TEST(MathTest, RopeFrequenciesAreWithinTwoUlp) {
  double worst = 0;
  for (const double theta : {1e4, 5e5, 1e6, 5e6, 10042.0}) {
    for (const int64_t head_dim : {64, 100, 128, 256}) {
      const std::vector<double> frequencies = rope_frequencies(head_dim, theta);
      ASSERT_EQ(frequencies.size(), static_cast<size_t>(head_dim / 2));
      for (size_t i = 0; i < frequencies.size(); ++i) {
        const double exponent = -static_cast<double>(2 * i) / static_cast<double>(head_dim);
        Exact exact(theta), exact_exponent(exponent);
        mpfr_pow(exact.get(), exact.get(), exact_exponent.get(), MPFR_RNDN);
        worst = std::max(worst, error_in_ulps(frequencies[i], exact));
      }
    }
  }
  std::printf("pow_f64: max error %.3f ulp over RoPE frequencies\n", worst);
  EXPECT_LE(worst, 2.0);
  EXPECT_EQ(pow_f64(5e5, 0.0), 1.0);
  EXPECT_EQ(pow_f64(2.0, -10.0), 0x1p-10);
}

TEST(MathTest, SinAndCosAreWithinOneUlpOverRopeAngles) {
  double worst = 0;
  for (const double theta : {1e4, 5e5, 5e6}) {
    const std::vector<double> frequencies = rope_frequencies(128, theta);
    for (int64_t position = 0; position <= 1 << 17; position += position < 512 ? 1 : 977) {
      for (size_t i = 0; i < frequencies.size(); i += 3) {
        const double angle = static_cast<double>(position) * frequencies[i];
        Exact sine(angle), cosine;
        mpfr_sin_cos(sine.get(), cosine.get(), sine.get(), MPFR_RNDN);
        if (angle != 0) worst = std::max(worst, error_in_ulps(sin_f64(angle), sine));
        worst = std::max(worst, error_in_ulps(cos_f64(angle), cosine));
      }
    }
  }
  std::printf("sin_f64, cos_f64: max error %.3f ulp over RoPE angles\n", worst);
  EXPECT_LE(worst, 1.0);
}

TEST(MathTest, SinAndCosAreWithinOneUlpUpToTheirLimit) {
  double worst = 0;
  for (const double reach : {0.8, 1000.0, 0x1p25}) {
    worst = std::max(worst, largest_error(-reach, reach, 50000, sin_f64, mpfr_sin));
    worst = std::max(worst, largest_error(-reach, reach, 50000, cos_f64, mpfr_cos));
  }
  // Doubles next to multiples of pi/2, where the reduction cancels most.
  for (int64_t k = 1; k < 20000; ++k) {
    const double x = static_cast<double>(k) * 0x1.921fb54442d18p+0;
    Exact sine(x), cosine;
    mpfr_sin_cos(sine.get(), cosine.get(), sine.get(), MPFR_RNDN);
    worst = std::max(worst, error_in_ulps(sin_f64(x), sine));
    worst = std::max(worst, error_in_ulps(cos_f64(x), cosine));
  }
  std::printf("sin_f64, cos_f64: max error %.3f ulp over |x| <= 2^25\n", worst);
  EXPECT_LE(worst, 1.0);
  EXPECT_EQ(sin_f64(0.0), 0.0);
  EXPECT_EQ(cos_f64(0.0), 1.0);
}

TEST(MathTest, RopeRowIsRoundedOnceFromDouble) {
  const std::vector<double> frequencies = rope_frequencies(8, 10000.0);
  float cosines[4], sines[4];
  rope_row(0, frequencies, 1, cosines, sines);
  for (int i = 0; i < 4; ++i) {
    EXPECT_EQ(cosines[i], 1.0f);
    EXPECT_EQ(sines[i], 0.0f);
  }
  rope_row(3, frequencies, 1, cosines, sines);
  EXPECT_EQ(cosines[0], -0x1.fae04cp-1f);  // cos 3
  EXPECT_EQ(sines[0], 0x1.210386p-3f);     // sin 3
  EXPECT_EQ(sines[1], static_cast<float>(sin_f64(3.0 * frequencies[1])));
  rope_row(3, frequencies, 1.1, cosines, sines);
  EXPECT_EQ(cosines[0], static_cast<float>(1.1 * cos_f64(3.0)));
  EXPECT_EQ(sines[1], static_cast<float>(1.1 * sin_f64(3.0 * frequencies[1])));
}

// Distance of exp_f32 from the double result in units of the last place of a float of that size.
double exp_f32_error_in_ulps(float x) {
  const double exact = exp_f64(static_cast<double>(x));
  const int exponent = std::max(std::ilogb(exact), -126);
  return std::fabs(static_cast<double>(exp_f32(x)) - exact) / std::ldexp(1.0, exponent - 23);
}

TEST(MathTest, ExpF32IsWithinOneUlpOverEvery97thFloat) {
  double worst = 0;
  float worst_at = 0;
  const auto sweep = [&](uint32_t sign, float limit) {
    // Below 2^-30 the result is 1.
    for (auto bits = std::bit_cast<uint32_t>(0x1p-30f); bits <= std::bit_cast<uint32_t>(limit);
         bits += 97) {
      const float x = std::bit_cast<float>(sign | bits);
      if (const double error = exp_f32_error_in_ulps(x); error > worst) {
        worst = error;
        worst_at = x;
      }
    }
  };
  sweep(0, 88.0f);
  sweep(0x80000000, 104.0f);
  std::printf("exp_f32: max error %.3f ulp, at %a\n", worst, static_cast<double>(worst_at));
  EXPECT_LE(worst, 1.0);
}

TEST(MathTest, ExpF32AtItsEdges) {
  EXPECT_EQ(exp_f32(0.0f), 1.0f);
  EXPECT_EQ(exp_f32(-0.0f), 1.0f);
  EXPECT_EQ(exp_f32(0x1p-30f), 1.0f);
  EXPECT_EQ(exp_f32(-0x1p-149f), 1.0f);
  EXPECT_EQ(exp_f32(1.0f), 0x1.5bf0a8p+1f);
  EXPECT_EQ(exp_f32(-103.97f), 0x1p-149f);
  EXPECT_EQ(std::bit_cast<uint32_t>(exp_f32(-104.0f)), 0u);
  EXPECT_EQ(std::bit_cast<uint32_t>(exp_f32(-1e30f)), 0u);
  EXPECT_EQ(std::bit_cast<uint32_t>(exp_f32(-kInfinityF)), 0u);
  EXPECT_TRUE(std::isfinite(exp_f32(88.72283f)));
  EXPECT_EQ(exp_f32(88.73f), kInfinityF);
  EXPECT_EQ(exp_f32(kInfinityF), kInfinityF);
  EXPECT_TRUE(std::isnan(exp_f32(std::nanf(""))));
}

TEST(MathTest, SoftmaxWeightsEndAtMinus64) {
  EXPECT_EQ(softmax_weight(0.0f), 1.0f);
  EXPECT_EQ(softmax_weight(-1.0f), exp_f32(-1.0f));
  EXPECT_EQ(softmax_weight(-64.0f), exp_f32(-64.0f));
  EXPECT_GT(softmax_weight(-64.0f), 0x1p-93f);
  for (const float x : {std::nextafter(-64.0f, -65.0f), -87.5f, -100.0f, -kInfinityF})
    EXPECT_EQ(std::bit_cast<uint32_t>(softmax_weight(x)), 0u) << x;
  EXPECT_TRUE(std::isnan(softmax_weight(std::nanf(""))));
}

TEST(MathTest, SiluF32) {
  EXPECT_EQ(silu_f32(0.0f), 0.0f);
  EXPECT_EQ(silu_f32(100.0f), 100.0f);
  EXPECT_EQ(std::bit_cast<uint32_t>(silu_f32(-100.0f)), 0x80000000u);
  double worst = 0;
  for (float x = -80.0f; x <= 80.0f; x += 0.0013f) {
    const double exact = static_cast<double>(x) / (1 + exp_f64(-static_cast<double>(x)));
    const double ulp = std::ldexp(1.0, std::ilogb(exact) - 23);
    worst = std::max(worst, std::fabs(static_cast<double>(silu_f32(x)) - exact) / ulp);
  }
  std::printf("silu_f32: max error %.3f ulp\n", worst);
  EXPECT_LE(worst, 3.0);
}

// Largest error of gelu_f32 over [low, high], in units of the last place, against the tanh form in
// double.
double gelu_f32_error_in_ulps(float low, float high) {
  const double root = std::sqrt(8 / 3.14159265358979323846);  // 2 * sqrt(2/pi)
  double worst = 0;
  for (float x = low; x <= high; x += 0.00013f) {
    const double wide = static_cast<double>(x);
    const double exact = wide / (1 + exp_f64(-root * (wide + 0.044715 * wide * wide * wide)));
    const double ulp = std::ldexp(1.0, std::ilogb(exact) - 23);
    worst = std::max(worst, std::fabs(static_cast<double>(gelu_f32(x)) - exact) / ulp);
  }
  return worst;
}

TEST(MathTest, GeluF32) {
  EXPECT_EQ(std::bit_cast<uint32_t>(gelu_f32(0.0f)), 0u);
  EXPECT_EQ(std::bit_cast<uint32_t>(gelu_f32(-0.0f)), 0x80000000u);
  EXPECT_EQ(gelu_f32(100.0f), 100.0f);
  EXPECT_EQ(std::bit_cast<uint32_t>(gelu_f32(-100.0f)), 0x80000000u);
  EXPECT_EQ(gelu_f32(1e30f), 1e30f);  // x^3 overflows
  EXPECT_EQ(std::bit_cast<uint32_t>(gelu_f32(-1e30f)), 0x80000000u);
  const double middle = gelu_f32_error_in_ulps(-1.0f, 20.0f);
  const double tail = gelu_f32_error_in_ulps(-9.0f, -1.0f);
  std::printf("gelu_f32: max error %.3f ulp from -1 up, %.1f from -9 up\n", middle, tail);
  EXPECT_LE(middle, 4.0);
  EXPECT_LE(tail, 160.0);
}

TEST(MathTest, F16WidensAndComesBackExhaustively) {
  for (uint32_t bits = 0; bits <= 0xffff; ++bits) {
    const auto half = static_cast<uint16_t>(bits);
    const float wide = widen_f16(half);
    const bool is_nan = (bits & 0x7fff) > 0x7c00;
    EXPECT_EQ(std::isnan(wide), is_nan) << bits;
    EXPECT_EQ(round_to_f16(wide), is_nan ? bits | 0x200 : bits) << bits;
    if (is_nan || (bits & 0x7fff) == 0x7c00) continue;
    // The value by its definition.
    const int exponent = static_cast<int>(bits >> 10 & 0x1f);
    const int mantissa = static_cast<int>(bits & 0x3ff);
    const double magnitude =
        exponent == 0 ? std::ldexp(mantissa, -24) : std::ldexp(1024 + mantissa, exponent - 25);
    EXPECT_EQ(static_cast<double>(wide), bits & 0x8000 ? -magnitude : magnitude) << bits;
  }
}

TEST(MathTest, F16TiesGoToTheEvenNeighbour) {
  for (uint32_t bits = 0; bits < 0x7bff; ++bits) {  // every pair of finite neighbours
    const float low = widen_f16(static_cast<uint16_t>(bits));
    const float high = widen_f16(static_cast<uint16_t>(bits + 1));
    const float middle = low + (high - low) / 2;  // exact
    const uint32_t even = bits + (bits & 1);
    EXPECT_EQ(round_to_f16(middle), even);
    EXPECT_EQ(round_to_f16(std::nextafter(middle, 0.0f)), bits);
    EXPECT_EQ(round_to_f16(std::nextafter(middle, kInfinityF)), bits + 1);
    EXPECT_EQ(round_to_f16(-middle), even | 0x8000);
  }
  EXPECT_EQ(round_to_f16(65519.996f), 0x7bff);
  EXPECT_EQ(round_to_f16(65520.0f), 0x7c00);
  EXPECT_EQ(round_to_f16(1e30f), 0x7c00);
  EXPECT_EQ(round_to_f16(-kInfinityF), 0xfc00);
  EXPECT_EQ(round_to_f16(0x1p-149f), 0);
}

TEST(MathTest, Bf16WidensAndRounds) {
  for (uint32_t bits = 0; bits <= 0xffff; ++bits) {
    const float wide = widen_bf16(static_cast<uint16_t>(bits));
    EXPECT_EQ(std::bit_cast<uint32_t>(wide), bits << 16);
    EXPECT_EQ(round_to_bf16(wide), std::isnan(wide) ? bits | 0x40 : bits);
  }
  EXPECT_EQ(round_to_bf16(std::bit_cast<float>(0x3f808000u)), 0x3f80);  // tie, down to even
  EXPECT_EQ(round_to_bf16(std::bit_cast<float>(0x3f818000u)), 0x3f82);  // tie, up to even
  EXPECT_EQ(round_to_bf16(std::bit_cast<float>(0x3f808001u)), 0x3f81);
  EXPECT_EQ(round_to_bf16(std::numeric_limits<float>::max()), 0x7f80);
}

TEST(MathTest, LanesFoldByHalves) {
  // Large cancelling values show the order: lane 0 meets lane 32 first, then lane 16, ...
  float lanes[kLanes] = {};
  lanes[0] = 1e8f;
  lanes[32] = -1e8f;
  lanes[16] = 1.0f;
  EXPECT_EQ(fold_lanes(lanes), 1.0f);
  float other[kLanes] = {};
  other[0] = 1e8f;
  other[16] = 1.0f;  // lost: meets lane 0 while that holds 1e8
  other[8] = -1e8f;
  EXPECT_EQ(fold_lanes(other), 0.0f);
}

// Every pattern of both 16-bit types, NaNs included, from bytes that lie at an odd address.
TEST(MathTest, WidensInBulkAsOneByOne) {
  constexpr int64_t kCount = 65536;
  std::vector<uint8_t> bytes(2 * kCount + 1);
  for (int64_t i = 0; i < kCount; ++i) {
    const auto stored = static_cast<uint16_t>(i);
    std::memcpy(bytes.data() + 1 + 2 * i, &stored, sizeof stored);
  }
  std::vector<float> half(kCount), brain(kCount);
  widen(FloatType::kF16, bytes.data() + 1, kCount, half.data());
  widen(FloatType::kBf16, bytes.data() + 1, kCount, brain.data());
  for (size_t i = 0; i < kCount; ++i) {
    const auto stored = static_cast<uint16_t>(i);
    ASSERT_EQ(std::bit_cast<uint32_t>(half[i]), std::bit_cast<uint32_t>(widen_f16(stored))) << i;
    ASSERT_EQ(std::bit_cast<uint32_t>(brain[i]), std::bit_cast<uint32_t>(widen_bf16(stored))) << i;
  }
  EXPECT_EQ(std::bit_cast<uint32_t>(half[0x7c01]), 0x7fc02000u) << "a NaN becomes quiet";
  float copied[2] = {};
  widen(FloatType::kF32, bytes.data() + 1, 2, copied);
  EXPECT_EQ(std::memcmp(copied, bytes.data() + 1, sizeof copied), 0);
}

}  // namespace
}  // namespace bitnetc::math
