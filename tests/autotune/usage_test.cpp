#include "autotune/usage.h"

#include <gtest/gtest.h>

#include <set>

namespace bitnetc {
namespace {

TEST(Usage, NamesReadBack) {
  for (const Usage usage : kUsages) EXPECT_EQ(parse_usage(usage_name(usage)), usage);
  EXPECT_EQ(usage_name(Usage::kGeneration), "generation");
  for (const char* name : {"", "Generation", "prefil", "server "})
    EXPECT_EQ(parse_usage(name), std::nullopt) << name;
}

TEST(Usage, SharesAddUpAndNameTheSameNumbersOfTokens) {
  std::set<int> first;
  for (const Usage usage : kUsages) {
    double sum = 0;
    std::set<int> tokens;
    for (const UsageShare& each : usage_shares(usage)) {
      EXPECT_GT(each.share, 0) << usage_name(usage);
      EXPECT_TRUE(each.m == kAnyM || (each.m >= 1 && each.m <= kMaxSmallM)) << each.m;
      EXPECT_TRUE(tokens.insert(each.m).second) << each.m << " twice";
      sum += each.share;
    }
    EXPECT_NEAR(sum, 1, 1e-12) << usage_name(usage);
    if (first.empty()) first = tokens;
    EXPECT_EQ(tokens, first) << usage_name(usage);
  }
  // What layouts are chosen by (profile_plans.h).
  EXPECT_TRUE(first.contains(1) && first.contains(kAnyM));
}

TEST(Usage, ATokenOfAKernelForAnyNumberIsOneOfManyInACall) {
  EXPECT_EQ(tuned_tokens(1), 1);
  EXPECT_EQ(tuned_tokens(8), 8);
  EXPECT_EQ(tuned_tokens(kAnyM), kTunedPromptTokens);
}

}  // namespace
}  // namespace bitnetc
