#include "autotune/search_space.h"

#include <gtest/gtest.h>

#include <algorithm>
#include <set>
#include <span>
#include <string>
#include <utility>
#include <vector>

#include "codegen/matmul_plans.h"
#include "compiler/plan_source.h"
#include "tests/support/generators.h"

namespace bitnetc {
namespace {

constexpr Isa kTiers[] = {Isa::kAvx2, Isa::kAvxVnni, Isa::kAvx512Vnni, Isa::kAmx};
constexpr Effort kEfforts[] = {Effort::kQuick, Effort::kFull};

struct Case {
  MatmulSpec spec;
  Target target;
  std::string text() const { return fmt::format("{} on {}", spec_name(spec), target.describe()); }
};

// Shapes of models and odd ones, every layout, M and tier, and AVX-512 as it began: without VBMI
// and AVX-VNNI.
std::vector<Case> cases(std::initializer_list<MatmulSpec> shapes) {
  std::vector<Target> targets;
  for (const Isa isa : kTiers) targets.push_back(target_for(isa));
  targets.push_back({.features = features_of(Isa::kAvx512Vnni)});
  std::vector<Case> list;
  for (const Target& target : targets)
    for (MatmulSpec spec : shapes)
      for (const LayoutId layout : kLayouts)
        for (const int m : {1, 2, 3, 5, 8, kAnyM}) {
          spec.layout = layout;
          spec.m = m;
          list.push_back({spec, target});
        }
  return list;
}

const std::initializer_list<MatmulSpec> kShapes = {
    {.n = 3840, .k = 2560},
    {.n = 2560, .k = 6912, .epilogue = Epilogue::kResidual},
    {.n = 13824, .k = 2560, .epilogue = Epilogue::kRelu2Mul, .row_absmax = true},
    {.n = 16, .k = 4},
    {.n = 16, .k = 20},
    {.n = 48, .k = 100},
    {.n = 32, .k = 20, .epilogue = Epilogue::kSiluMul}};

std::string name_of(const Candidate& candidate, const Target& target) {
  return kernel_name(candidate.request(target), *candidate.generator);
}

std::set<std::string> names_of(const Case& c, Effort effort) {
  std::set<std::string> names;
  for (const Candidate& each : candidates(c.spec, c.target, effort))
    EXPECT_TRUE(names.insert(name_of(each, c.target)).second) << name_of(each, c.target);
  return names;
}

TEST(SearchSpace, EveryCandidateIsAcceptedAndNoneIsTheReference) {
  for (const Case& c : cases(kShapes)) {
    for (const Effort effort : kEfforts) {
      const std::vector<Candidate> all = candidates(c.spec, c.target, effort);
      EXPECT_FALSE(all.empty()) << c.text();
      for (const Candidate& each : all) {
        const Status accepts = each.generator->accepts(each.request(c.target));
        EXPECT_TRUE(accepts.ok()) << name_of(each, c.target) << ": " << accepts.message();
        EXPECT_NE(each.generator->name(), "reference");
        EXPECT_TRUE(each.spec.m == c.spec.m || each.spec.m == kAnyM);
        MatmulSpec asked = each.spec;
        asked.m = c.spec.m;
        EXPECT_EQ(asked, c.spec);
      }
    }
  }
}

TEST(SearchSpace, QuickIsAFewOfFull) {
  for (const Case& c : cases(kShapes)) {
    const std::set<std::string> quick = names_of(c, Effort::kQuick),
                                full = names_of(c, Effort::kFull);
    EXPECT_TRUE(std::includes(full.begin(), full.end(), quick.begin(), quick.end())) << c.text();
    EXPECT_LE(quick.size(), 12U) << c.text();
    EXPECT_LE(full.size(), 1500U) << c.text();
  }
}

// What KernelBuilder::build would make with the rule of thumb's plans.
TEST(SearchSpace, TheRuleOfThumbComesFirst) {
  const HeuristicPlanSource plans;
  for (const Case& c : cases(kShapes)) {
    MatmulSpec any = c.spec;
    any.m = kAnyM;
    const std::string preferred = plans.choose(c.spec, c.target).generator;
    std::string chosen;
    const auto try_to_choose = [&](const Generator& generator) {
      for (const MatmulSpec& each : {c.spec, any}) {
        const KernelRequest request{each, plans.choose(each, c.target).plan, c.target};
        if (chosen.empty() && generator.accepts(request).ok())
          chosen = kernel_name(request, generator);
      }
    };
    if (!preferred.empty()) try_to_choose(*find_generator(preferred));
    for (const auto& generator : KernelBuilder::generators()) try_to_choose(*generator);
    for (const Effort effort : kEfforts)
      EXPECT_EQ(name_of(candidates(c.spec, c.target, effort).front(), c.target), chosen)
          << c.text();
  }
}

// No two candidates differ only in fields that their generator ignores, and none is there for one M
// and for any.
TEST(SearchSpace, NoTwoCandidatesDoTheSame) {
  for (const Case& c : cases(kShapes)) {
    std::set<std::pair<const Generator*, KernelPlan>> seen;
    for (const Candidate& each : candidates(c.spec, c.target, Effort::kFull)) {
      const KernelPlan plan = each.generator->effective_plan(each.spec, each.plan);
      EXPECT_TRUE(seen.emplace(each.generator, plan).second) << name_of(each, c.target);
    }
  }
}

#ifdef __x86_64__
TEST(SearchSpace, EverybodyCompetes) {
  const auto names = [](LayoutId layout, int m, Isa isa) {
    std::vector<std::string> list;
    for (const Generator* each :
         test::competitors({.n = 3840, .k = 2560, .m = m, .layout = layout}, target_for(isa)))
      list.emplace_back(each->name());
    return list;
  };
  using Names = std::vector<std::string>;
  EXPECT_EQ(names(LayoutId::kI2S, 1, Isa::kAvx2),
            (Names{"x64_matmul_i2s_avx2", "x64_panel_avx2", "static_matmul_avx2"}));
  EXPECT_EQ(names(LayoutId::kI2S, kAnyM, Isa::kAvxVnni),
            (Names{"x64_panel_avxvnni", "x64_panel_avx2", "static_matmul_avxvnni",
                   "static_matmul_avx2"}));
  // AMX competes for any M on a machine that may lack it.
  const Names amx = names(LayoutId::kB3, kAnyM, Isa::kAmx);
  EXPECT_EQ(std::count(amx.begin(), amx.end(), "x64_panel_amx"), 1);
}

// A preference of the rule of thumb is no refusal: the kernel that it passes over competes, in a
// quick search, too.
TEST(SearchSpace, WhatTheRuleOfThumbPassesOverCompetes) {
  struct PassedOver {
    LayoutId layout;
    int m;
    Isa isa;
    const char* first;
    const char* passed_over;
  };
  const PassedOver cases[] = {
      {LayoutId::kB3, 1, Isa::kAvx512Vnni, "x64_matmul_words_avx512vnni", "x64_lut_avx512"},
      {LayoutId::kB3, 1, Isa::kAmx, "x64_matmul_words_avx512vnni", "x64_lut_avx512"},
      {LayoutId::kTl2, 3, Isa::kAvx2, "x64_panel_avx2", "x64_matmul_words_avx2"},
      {LayoutId::kTl2, 4, Isa::kAvx2, "x64_panel_avx2", "x64_matmul_words_avx2"}};
  for (const PassedOver& c : cases) {
    for (const Effort effort : kEfforts) {
      const auto all = candidates({.n = 3840, .k = 2560, .m = c.m, .layout = c.layout},
                                  target_for(c.isa), effort);
      ASSERT_FALSE(all.empty());
      EXPECT_EQ(all.front().generator->name(), c.first) << c.m;
      EXPECT_TRUE(std::ranges::any_of(all,
                                      [&](const Candidate& each) {
                                        return each.generator->name() == c.passed_over &&
                                               each.spec.m == c.m;
                                      }))
          << c.passed_over << " with m = " << c.m;
    }
  }
}

// Small shapes, so that proofs are quick; whatever runs here is built and proven.
TEST(SearchSpace, CandidatesBuildAndProve) {
  KernelBuilder builder;
  int built = 0;
  for (const Case& c :
       cases({{.n = 96, .k = 320}, {.n = 32, .k = 20, .epilogue = Epilogue::kRelu2Mul}})) {
    int index = 0;
    for (const Candidate& each : candidates(c.spec, c.target, Effort::kFull)) {
      if (++index % 7 != 1 || !test::runs_here(*each.generator, each.spec, each.plan)) continue;
      const auto kernel = builder.build_with(each.generator->name(), each.request(c.target));
      EXPECT_TRUE(kernel.ok()) << kernel.status().message();
      ++built;
    }
  }
  EXPECT_GT(built, 100);
}
#endif

TEST(SearchSpace, TheConstraintsHold) {
  const MatmulSpec shape{.n = 64, .k = 2560};
  for (const Case& c : cases({shape})) {
    const std::vector<Candidate> all = candidates(c.spec, c.target, Effort::kFull);
    for (const Candidate& each : std::span(all).subspan(1)) {
      const PanelPlan plan = PanelPlan::from(each.plan);
      const std::string name = name_of(each, c.target);
      EXPECT_LE(plan.tiles_per_step * 16, shape.n) << name;
      EXPECT_LT(plan.prefetch_bytes, each.spec.weight_layout().total_bytes()) << name;
      EXPECT_LE(plan.tiles_per_step * 16 * plan.block_k, 64 << 10) << name;
      EXPECT_LE(plan.k_unroll * plan.tiles_per_step * each.spec.m, 128) << name;
    }
  }
}

TEST(SearchSpace, ShapesThatNoMatmulHasHaveNoCandidates) {
  for (const MatmulSpec& spec : {MatmulSpec{.n = 1, .k = 20}, MatmulSpec{.n = 3, .k = 4},
                                 MatmulSpec{.n = 16, .k = 0}, MatmulSpec{.n = 16, .k = 20, .m = 9}})
    for (const Effort effort : kEfforts)
      EXPECT_TRUE(candidates(spec, target_for(Isa::kAmx), effort).empty()) << spec_name(spec);
  EXPECT_TRUE(candidates({.n = 64, .k = 64}, target_for(Isa::kScalar), Effort::kFull).empty());
}

TEST(SearchSpace, IsDescribedInOurTermsAndInTheUsualOnes) {
  const std::string text = describe_search_space();
  for (const char* word :
       {"tiles_per_step", "nr = 16 x tiles", "k_unroll", "kr = 4", "prefetch distance", "block_k",
        "kc", "mc, nc", "mr", "table placement", "64 KiB"})
    EXPECT_NE(text.find(word), std::string::npos) << word;
#ifdef __x86_64__
  EXPECT_NE(text.find("x64_lut_avx512"), std::string::npos);
  EXPECT_NE(text.find("t 1,2,4  p 0,2048,4096  k 256"), std::string::npos) << text;
#endif
}

}  // namespace
}  // namespace bitnetc
