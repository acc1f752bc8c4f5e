// Choices head to head, on small shapes. Which of two kernels is faster differs from run to run;
// nothing here asks.
#include "autotune/compare.h"

#include <gtest/gtest.h>

#include <cmath>

#include "runtime/cpu_features.h"

namespace bitnetc {
namespace {

// One plan for everything, from one generator.
class OnePlan final : public PlanSource {
 public:
  OnePlan(KernelChoice choice, LayoutId layout) : choice_(std::move(choice)), layout_(layout) {}
  KernelChoice choose(const KernelSpec&, const Target&) const override { return choice_; }
  LayoutId layout_for(const MatmulSpec&, const Target&) const override { return layout_; }

 private:
  KernelChoice choice_;
  LayoutId layout_;
};

const HeuristicPlanSource kHeuristic;
const OnePlan kReference({.generator = "reference", .origin = ChoiceOrigin::kMeasured},
                         LayoutId::kB3);

CompareRequest request() {
  return {.sources = {{"heuristic", &kHeuristic}, {"the same", &kHeuristic}, {"slow", &kReference}},
          .specs = {{.n = 96, .k = 80}, {.n = 64, .k = 96, .m = kAnyM}},
          .threads = 1,
          .target = machine_target(),
          .budget_s = 0.05};
}

TEST(CompareChoices, TheSameKernelIsMeasuredOnceAndItsRatioIsOne) {
  std::vector<std::string> progress;
  const auto comparison = compare_choices(
      request(), {.progress = [&](int, int, const std::string& what) { progress.push_back(what); },
                  .is_cancelled = {}});
  ASSERT_TRUE(comparison.ok()) << comparison.status().message();
  ASSERT_EQ(comparison->specs.size(), 2u);
  EXPECT_EQ(progress, (std::vector<std::string>{"matmul_i8_i2s_f32_n96_k80_m1_scale",
                                                "matmul_i8_i2s_f32_n64_k96_mN_scale"}));
  for (const ComparedSpec& each : comparison->specs) {
    ASSERT_EQ(each.choices.size(), 3u);
    for (const size_t same : {0u, 1u}) {
      EXPECT_EQ(each.choices[same].kernel, each.choices[0].kernel);
      EXPECT_EQ(each.choices[same].ratio.low, 1);
      EXPECT_EQ(each.choices[same].ratio.high, 1);
    }
    const ComparedChoice& slow = each.choices[2];
    EXPECT_TRUE(slow.kernel.ends_with("_reference")) << slow.kernel;
    EXPECT_EQ(slow.layout, LayoutId::kI2S);  // the spec's
    EXPECT_EQ(slow.choice.generator, "reference");
    EXPECT_GT(slow.seconds.low, 0);
    EXPECT_LE(slow.ratio.low, slow.ratio.median);
    EXPECT_LE(slow.ratio.median, slow.ratio.high);
  }
  EXPECT_EQ(comparison->geometric_means.size(), 3u);
  EXPECT_EQ(comparison->geometric_means[1], 1);
  EXPECT_NEAR(comparison->geometric_means[2],
              std::sqrt(comparison->specs[0].choices[2].ratio.median *
                        comparison->specs[1].choices[2].ratio.median),
              1e-9);
}

TEST(CompareChoices, SourcesMayBringTheirOwnLayouts) {
  CompareRequest own = request();
  own.choose_layouts = true;
  const auto comparison = compare_choices(own, {});
  ASSERT_TRUE(comparison.ok()) << comparison.status().message();
  EXPECT_EQ(comparison->specs[0].choices[0].layout, LayoutId::kI2S);
  EXPECT_EQ(comparison->specs[0].choices[2].layout, LayoutId::kB3);
  EXPECT_NE(comparison->specs[0].choices[2].kernel.find("_b3_"), std::string::npos);
}

TEST(CompareChoices, CancelledLeavesOutWhatWasNotFinished) {
  int specs = 0;
  const auto comparison =
      compare_choices(request(), {.progress = [&](int, int, const std::string&) { ++specs; },
                                  .is_cancelled = [&] { return specs == 2; }});
  ASSERT_TRUE(comparison.ok()) << comparison.status().message();
  EXPECT_TRUE(comparison->cancelled);
  EXPECT_EQ(comparison->specs.size(), 1u);
  const auto at_once =
      compare_choices(request(), {.progress = {}, .is_cancelled = [] { return true; }});
  ASSERT_TRUE(at_once.ok());
  EXPECT_TRUE(at_once->specs.empty());
  EXPECT_EQ(at_once->geometric_means, (std::vector<double>{0, 0, 0}));
}

TEST(CompareChoices, WhatCannotBeComparedIsAnError) {
  const auto message = [](const auto& change) {
    CompareRequest wrong = request();
    change(wrong);
    const auto comparison = compare_choices(wrong, {});
    EXPECT_FALSE(comparison.ok());
    EXPECT_EQ(comparison.status().code(), StatusCode::kInvalidArgument);
    return comparison.status().message();
  };
  EXPECT_NE(message([](CompareRequest& r) { r.sources.resize(1); }).find("1 sources"),
            std::string::npos);
  EXPECT_NE(message([](CompareRequest& r) { r.threads = 0; }).find("0 threads"), std::string::npos);
  EXPECT_NE(message([](CompareRequest& r) { r.specs[1].k = 0; }).find("k"), std::string::npos);
}

}  // namespace
}  // namespace bitnetc
