#include "autotune/modelled_plans.h"

#include <gtest/gtest.h>

#include "autotune/cost_model.h"

namespace bitnetc {
namespace {

const MachineLimits kLimits{
    .threads = 2,
    .read_bytes_per_second = 20e9,
    .int8_operations_per_second = {
        {Isa::kAvx2, 300e9}, {Isa::kAvxVnni, 600e9}, {Isa::kAvx512Vnni, 1200e9}}};

TEST(ModelledPlans, NothingIsPredictedToBeFaster) {
  const PlanModel model = cheapest_by_model(kLimits);
  for (const Isa isa : {Isa::kAvx2, Isa::kAvx512Vnni}) {
    for (const LayoutId layout : kLayouts) {
      for (const int m : {1, 4, kAnyM}) {
        const MatmulSpec spec{.n = 2560, .k = 2560, .m = m, .layout = layout};
        const auto all = candidates(spec, target_for(isa), Effort::kQuick);
        if (all.empty()) GTEST_SKIP() << "a build without kernels for " << isa_name(isa);
        const auto choice = model(spec, target_for(isa));
        ASSERT_TRUE(choice.has_value()) << spec_name(spec);
        EXPECT_EQ(choice->origin, ChoiceOrigin::kModelled);
        EXPECT_EQ(model(spec, target_for(isa)), choice);
        double chosen_s = 0, least_s = 1e9;
        for (const Candidate& each : all) {
          const double seconds = predict(each, tuned_tokens(m), kLimits).seconds();
          least_s = std::min(least_s, seconds);
          if (each.generator->name() == choice->generator && each.plan == choice->plan)
            chosen_s = seconds;
        }
        EXPECT_EQ(chosen_s, least_s) << spec_name(spec) << " " << print_choice(*choice);
      }
    }
  }
}

TEST(ModelledPlans, SaysNothingWhereOnlyTheReferenceServes) {
  const PlanModel model = cheapest_by_model(kLimits);
  EXPECT_FALSE(model({.n = 256, .k = 256}, target_for(Isa::kScalar)).has_value());
}

TEST(ModelledPlans, AProfileFallsBackOnThem) {
  const Target target = target_for(Isa::kAvx2);
  const MatmulSpec spec{.n = 2560, .k = 2560};
  if (candidates(spec, target, Effort::kQuick).empty()) GTEST_SKIP() << "a build without x64";
  const Profile nothing;
  const ProfilePlanSource plans(nothing, 2, Usage::kGeneration, cheapest_by_model(kLimits));
  EXPECT_EQ(plans.choose(spec, target).origin, ChoiceOrigin::kModelled);
}

}  // namespace
}  // namespace bitnetc
