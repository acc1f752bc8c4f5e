#include "autotune/search_space.h"

#include <gtest/gtest.h>

#include <set>

#include "compiler/plan_source.h"
#include "tests/support/generators.h"

namespace bitnetc {
namespace {

constexpr Isa kTiers[] = {Isa::kAvx2, Isa::kAvxVnni, Isa::kAvx512Vnni, Isa::kAmx};
constexpr Effort kEfforts[] = {Effort::kQuick, Effort::kFull};

struct Case {
  MatmulSpec spec;
  Target target;
  std::string text() const {
    return fmt::format(
        "{} on {}{}", spec_name(spec), target.describe(),
        target.best_isa == Isa::kAvx512Vnni && !target.has_vbmi ? " without VBMI" : "");
  }
};

// Shapes of models and odd ones, every layout, M and tier, and AVX-512 as it began: without VBMI and AVX-VNNI.
std::vector<Case> cases(std::initializer_list<MatmulSpec> shapes) {
  std::vector<Target> targets;
  for (const Isa isa : kTiers) targets.push_back(target_for(isa));
  targets.push_back({.best_isa = Isa::kAvx512Vnni});
  std::vector<Case> list;
  for (const Target& target : targets)
    for (MatmulSpec spec : shapes)
      for (const LayoutId layout : kLayouts)
        for (const int m : {1, 2, 5, 8, kAnyM}) {
          spec.layout = layout;
          spec.m = m;
          list.push_back({spec, target});
        }
  return list;
}

const std::initializer_list<MatmulSpec> kShapes = {
    {.n = 3840, .k = 2560},
    {.n = 2560, .k = 6912, .epilogue = Epilogue::kResidual},
    {.n = 13824, .k = 2560, .epilogue = Epilogue::kRelu2Mul, .row_max = true},
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
    EXPECT_LE(full.size(), 1000U) << c.text();
  }
}

}  // namespace
}  // namespace bitnetc
