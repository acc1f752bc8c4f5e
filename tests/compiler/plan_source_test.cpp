#include "compiler/plan_source.h"

#include <gtest/gtest.h>

namespace bitnetc {
namespace {

TEST(KernelChoice, PrintsAndReadsBack) {
  const KernelPlan plan{.tiles_per_step = 2, .k_unroll = 8, .prefetch_bytes = 4096};
  const std::pair<KernelChoice, const char*> cases[] = {
      {{.plan = plan}, "t2u8p4096"},
      {{.plan = plan, .origin = ChoiceOrigin::kModelled}, "t2u8p4096 modelled"},
      {{.plan = plan, .generator = "x64_lut_avx2", .origin = ChoiceOrigin::kMeasured},
       "t2u8p4096 measured x64_lut_avx2"},
      {{.plan = plan, .generator = "x64_lut_avx2"}, "t2u8p4096 heuristic x64_lut_avx2"},
  };
  for (const auto& [choice, text] : cases) {
    EXPECT_EQ(print_choice(choice), text);
    const auto parsed = parse_choice(text);
    ASSERT_TRUE(parsed.ok()) << parsed.status().message();
    EXPECT_EQ(*parsed, choice);
  }
}

TEST(KernelChoice, RefusesAnythingElse) {
  for (const char* text :
       {"", "measured", "t2u8p4096 ", "t2u8p4096 guessed", "t2u8p4096 x64_lut_avx2",
        "t2u8p4096 heuristic", "t2u8p4096 measured x64_lut_avx2 more", "t2u8p4096  measured"})
    EXPECT_FALSE(parse_choice(text).ok()) << text;
}

}  // namespace
}  // namespace bitnetc
