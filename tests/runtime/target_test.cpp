#include "runtime/target.h"

#include <gtest/gtest.h>

#include "runtime/cpu_features.h"

namespace bitnetc {
namespace {

constexpr Isa kAll[] = {Isa::kScalar, Isa::kAvx2, Isa::kAvxVnni, Isa::kAvx512Vnni, Isa::kAmx};

TEST(Target, NamesRoundTrip) {
  for (Isa isa : kAll) EXPECT_EQ(parse_isa(isa_name(isa)), isa);
  EXPECT_EQ(parse_isa("avx3"), std::nullopt);
  EXPECT_EQ(parse_isa(""), std::nullopt);
  EXPECT_EQ(parse_isa("AVX2"), std::nullopt);
}

TEST(Target, EachTierContainsTheOnesBefore) {
  for (Isa best : kAll)
    for (Isa isa : kAll) EXPECT_EQ(target_for(best).supports(isa), isa <= best) << isa_name(best);
}

// What target_for() leaves out of a tier no kernel of the tier may use, and the other way round.
TEST(Target, EveryFeatureOfATierIsNeeded) {
  for (const Isa isa : kAll)
    for (const Feature each : kFeatures) {
      Target without = target_for(isa);
      without.features.set(each, false);
      EXPECT_EQ(without.supports(isa), !features_of(isa).contains(each))
          << isa_name(isa) << " without " << feature_name(each);
    }
}

TEST(Target, TiersAreOfX86) {
  const FeatureSet all = target_for(Isa::kAmx).features;
  const Target arm = {.architecture = Architecture::kAArch64, .features = all};
  const Target gpu = {.architecture = Architecture::kCuda, .features = all, .sm = 90};
  for (const Isa isa : kAll) {
    EXPECT_EQ(arm.supports(isa), isa == Isa::kScalar) << isa_name(isa);
    EXPECT_FALSE(gpu.supports(isa)) << isa_name(isa);
    EXPECT_EQ(cap_target(gpu, isa), gpu);
  }
  EXPECT_EQ(arm.best_tier(), Isa::kScalar);
  EXPECT_EQ(gpu.best_tier(), std::nullopt);
  EXPECT_TRUE(arm.is_cpu());
  EXPECT_FALSE(gpu.is_cpu());
}

TEST(Target, PrintsAndParses) {
  Target ice_lake = target_for(Isa::kAvx512Vnni);
  ice_lake.features.set(Feature::kAvxVnni, false);
  Target skylake = target_for(Isa::kAvx2);
  skylake.features = skylake.features | FeatureSet{Feature::kAvx512f, Feature::kAvx512vl};
  struct Case {
    Target target;
    std::string name, text;
  };
  std::vector<Case> cases = {{ice_lake, "avx512vnni", "avx512vnni-avx_vnni"},
                             {{.features = features_of(Isa::kAvx512Vnni)},
                              "avx512vnni",
                              "avx512vnni-avx_vnni-avx512_vbmi"},
                             {skylake, "avx2", "avx2+avx512f+avx512vl"},
                             {{.architecture = Architecture::kAArch64}, "aarch64", "aarch64"},
                             {{.architecture = Architecture::kOther}, "other", "other"},
                             {{.architecture = Architecture::kCuda, .sm = 90}, "sm_90", "sm_90"}};
  for (const Isa isa : kAll)
    cases.push_back({target_for(isa), std::string(isa_name(isa)), std::string(isa_name(isa))});
  for (const Case& each : cases) {
    EXPECT_EQ(each.target.name(), each.name);
    EXPECT_EQ(each.target.describe(), each.text);
    const auto parsed = parse_target(each.text);
    ASSERT_TRUE(parsed.ok()) << parsed.status().message();
    EXPECT_EQ(*parsed, each.target) << each.text;
  }
}

TEST(Target, OneTextForEachTarget) {
  for (const char* text :
       {"", "AVX2", "avx3", "avx2+", "avx2+fma", "avx2-avx_vnni", "avx2 +avx512f", "avx2+f16d",
        "avx512vnni-avx512_vbmi-avx_vnni", "scalar+avx2+fma+f16c", "sm_", "sm_0", "sm_-90",
        "sm_090", "sm_90a", "sm_99999999999", "aarch64+avx2", "cuda"}) {
    const auto parsed = parse_target(text);
    ASSERT_FALSE(parsed.ok()) << text;
    EXPECT_EQ(parsed.status().code(), StatusCode::kInvalidArgument);
    EXPECT_TRUE(parsed.status().message().starts_with(fmt::format("target '{}': expected", text)))
        << parsed.status().message();
  }
}

TEST(Target, ACapLowersTheTier) {
  for (Isa best : kAll)
    for (Isa cap : kAll)
      EXPECT_EQ(cap_target(target_for(best), cap), target_for(std::min(best, cap)))
          << isa_name(best) << " capped at " << isa_name(cap);
  EXPECT_EQ(cap_target(target_for(Isa::kAvxVnni), std::nullopt), target_for(Isa::kAvxVnni));
}

TEST(Target, ACapTheMachineLacksLeavesTheTierBelow) {
  Target ice_lake = target_for(Isa::kAvx512Vnni);
  ice_lake.features.set(Feature::kAvxVnni, false);
  EXPECT_EQ(cap_target(ice_lake, Isa::kAvxVnni), target_for(Isa::kAvx2));
  EXPECT_EQ(cap_target(ice_lake, Isa::kAvx512Vnni), ice_lake);
  EXPECT_EQ(cap_target(ice_lake, Isa::kAmx), ice_lake);
}

TEST(Target, AnUnreachableCapIsReported) {
  const Target haswell = target_for(Isa::kAvx2);
  EXPECT_TRUE(check_isa_cap(haswell, std::nullopt).ok());
  EXPECT_TRUE(check_isa_cap(haswell, Isa::kAvx2).ok());
  const Status status = check_isa_cap(haswell, Isa::kAvx512Vnni);
  EXPECT_EQ(status.code(), StatusCode::kUnsupported);
  EXPECT_EQ(status.message(),
            "BITNETC_ISA=avx512vnni: this machine has no such tier; avx2 is used instead");
}

}  // namespace
}  // namespace bitnetc
