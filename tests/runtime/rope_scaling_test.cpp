// Scaled RoPE frequencies against numbers that numpy computed in float64 from the published
// formulas.
#include <gtest/gtest.h>

#include <cmath>

#include "runtime/compiled_model.h"
#include "runtime/math.h"

namespace bitnetc {
namespace {

using Kind = RopeScaling::Kind;

constexpr RopeScaling kLinear{.kind = Kind::kLinear, .factor = 2.5};
constexpr RopeScaling kLlama3{.kind = Kind::kLlama3,
                              .factor = 8,
                              .original_positions = 8192,
                              .low_freq_factor = 1,
                              .high_freq_factor = 4};
constexpr RopeScaling kYarn{.kind = Kind::kYarn,
                            .factor = 4,
                            .original_positions = 128,
                            .beta_fast = 32,
                            .beta_slow = 1,
                            .amplitude = 1.138629436111989};

void expect_frequencies(int64_t head_dim, double theta, const RopeScaling& scaling,
                        const std::vector<double>& expected) {
  const auto frequencies = math::rope_frequencies(head_dim, theta, scaling);
  ASSERT_EQ(frequencies.size(), expected.size());
  for (size_t i = 0; i < expected.size(); ++i)
    EXPECT_NEAR(frequencies[i] / expected[i], 1, 1e-13) << describe(scaling) << " pair " << i;
}

TEST(RopeScaling, Linear) {
  expect_frequencies(16, 1e4, kLinear,
                     {0.4, 0.12649110640673517, 0.04, 0.012649110640673516, 0.004,
                      0.001264911064067352, 0.0004, 0.00012649110640673518});
}

TEST(RopeScaling, Llama3) {
  expect_frequencies(
      32, 5e5, kLlama3,
      {1.0, 0.44036660267178046, 0.19392274474868576, 0.08539710028576561, 0.03760603093086393,
       0.016560440080994446, 0.00729266473721711, 0.0032114459947525913, 0.0005248461609929549,
       7.784655273932451e-05, 3.428102195952591e-05, 1.509621717643313e-05, 6.647869871181236e-06,
       2.9274998701761677e-06, 1.2891731721515574e-06, 5.677088100759837e-07});
  RopeScaling other = kLlama3;
  other.factor = 32;
  other.original_positions = 256;
  other.low_freq_factor = 1.5;
  other.high_freq_factor = 6;
  expect_frequencies(16, 1e4, other,
                     {1.0, 0.31622776601683794, 0.058545390859533426, 0.0009882117688026185,
                      0.0003125, 9.882117688026187e-05, 3.125e-05, 9.882117688026186e-06});
}

TEST(RopeScaling, Yarn) {
  expect_frequencies(
      32, 1e6, kYarn,
      {1.0, 0.3426284090357231, 0.11114246312743269, 0.03280787165829494, 0.007905694150420948,
       0.00333380358040831, 0.0014058533129758727, 0.0005928434264154138, 0.00025,
       0.00010542412585714557, 4.4456985250973074e-05, 1.8747355233311396e-05,
       7.905694150420947e-06, 3.33380358040831e-06, 1.4058533129758728e-06, 5.928434264154139e-07});
  RopeScaling other = kYarn;
  other.factor = 40;
  other.original_positions = 4096;
  other.beta_fast = 24;
  other.beta_slow = 2;
  other.truncate = false;
  expect_frequencies(16, 1e4, other,
                     {1.0, 0.31622776601683794, 0.1, 0.029736266362409215, 0.004886119592324317,
                      0.00011662673010272215, 2.5e-05, 7.905694150420949e-06});
  // A context so short that both edges fall on the first pair.
  other = kYarn;
  other.original_positions = 6;
  expect_frequencies(8, 1e4, other, {1.0, 0.025, 0.0025, 0.00025});
}

TEST(RopeScaling, WithoutItNothingChanges) {
  EXPECT_EQ(math::rope_frequencies(64, 1e4, {}), math::rope_frequencies(64, 1e4));
  RopeScaling none = kLinear;
  none.factor = 1;
  EXPECT_EQ(math::rope_frequencies(64, 1e4, none), math::rope_frequencies(64, 1e4));
}

TEST(RopeScaling, IsDescribed) {
  EXPECT_EQ(describe(RopeScaling()), "none");
  EXPECT_EQ(describe(kLinear), "linear, factor 2.5");
  EXPECT_EQ(describe(kLlama3), "llama3, factor 8 over 8192 positions, frequency factors 1 and 4");
  EXPECT_EQ(describe(kYarn),
            "yarn, factor 4 over 128 positions, beta 32 and 1, amplitude 1.138629436111989");
  RopeScaling exact = kYarn;
  exact.truncate = false;
  EXPECT_NE(describe(exact), describe(kYarn));
  for (const Kind kind : {Kind::kNone, Kind::kLinear, Kind::kLlama3, Kind::kYarn})
    EXPECT_EQ(parse_rope_scaling(rope_scaling_name(kind)), kind);
  EXPECT_FALSE(parse_rope_scaling("longrope"));
}

}  // namespace
}  // namespace bitnetc
