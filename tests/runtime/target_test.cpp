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

TEST(Target, ACapLowersTheTier) {
  for (Isa best : kAll)
    for (Isa cap : kAll)
      EXPECT_EQ(cap_target(target_for(best), cap), target_for(std::min(best, cap)))
          << isa_name(best) << " capped at " << isa_name(cap);
  EXPECT_EQ(cap_target(target_for(Isa::kAvxVnni), std::nullopt), target_for(Isa::kAvxVnni));
}

TEST(Target, ACapTheMachineLacksLeavesTheTierBelow) {
  const Target ice_lake = {.best_isa = Isa::kAvx512Vnni, .has_avx_vnni = false};
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
