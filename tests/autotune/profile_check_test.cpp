// What this build can serve a spec with, and that it finds out which entries of a profile it cannot
// use.
#include <gtest/gtest.h>

#include <algorithm>

#include "autotune/profile.h"
#include "autotune/search_space.h"
#include "codegen/kernel_builder.h"
#include "codegen/matmul_plans.h"
#include "tests/support/generators.h"
#include "tests/support/scripted_profile.h"

namespace bitnetc::test {
namespace {

const Target kAvx2Target = target_for(Isa::kAvx2);

Profile profile_of(std::vector<ProfileEntry> entries) {
  return {.fingerprint = "0123456789abcdef",
          .machine = "AMD EPYC 9B45, 2 CPUs",
          .entries = std::move(entries)};
}

std::vector<std::string> names(std::vector<std::string> labels) {
  for (std::string& label : labels) label.resize(label.find('.'));
  return labels;
}

TEST(CurrentField, NamesWhatServesTheSpec) {
  if (find_generator("x64_matmul_i2s_avx2") == nullptr) GTEST_SKIP() << "a build without x64";
  const auto field_of = [](int m, LayoutId layout, Isa isa) {
    return names(current_field({.n = 256, .k = 256, .m = m, .layout = layout}, target_for(isa)));
  };
  EXPECT_EQ(
      field_of(1, LayoutId::kI2S, Isa::kAvx2),
      (std::vector<std::string>{"static_matmul_avx2", "x64_matmul_i2s_avx2", "x64_panel_avx2"}));
  EXPECT_EQ(field_of(kAnyM, LayoutId::kI2S, Isa::kAvx2),
            (std::vector<std::string>{"static_matmul_avx2", "x64_panel_avx2"}));
  EXPECT_EQ(field_of(1, LayoutId::kB3, Isa::kAvx2),
            (std::vector<std::string>{"static_matmul_avx2", "x64_lut_avx2", "x64_panel_avx2"}));
  EXPECT_TRUE(field_of(1, LayoutId::kI2S, Isa::kScalar).empty());
}

// The probes of current_field() find every generator that takes any plan of a wide grid.
TEST(CurrentField, MissesNoGeneratorThatTakesSomePlan) {
  for (const Isa isa : {Isa::kAvx2, Isa::kAvxVnni, Isa::kAvx512Vnni, Isa::kAmx}) {
    for (const LayoutId layout : kLayouts) {
      for (int m = kAnyM; m <= kMaxSmallM; ++m) {
        const MatmulSpec spec{.n = 256, .k = 2560, .m = m, .layout = layout};
        std::vector<std::string> takes_some;
        for (const auto& generator : KernelBuilder::generators()) {
          bool takes = false;
          for (const int tiles : {1, 2, 4, 8})
            for (const int unroll : {1, 2, 4, 8, 16})
              for (const int block_k : {0, 256, 1024})
                for (const int tokens : {0, 1, 4, 8})
                  takes = takes ||
                          accepted_request(*generator, {.spec = spec,
                                                        .plan = PanelPlan{.tiles_per_step = tiles,
                                                                          .k_unroll = unroll,
                                                                          .prefetch_bytes = 0,
                                                                          .block_k = block_k,
                                                                          .tokens = tokens},
                                                        .target = target_for(isa)})
                              .ok();
          if (takes && generator->name() != "reference")
            takes_some.push_back(std::string(generator->name()));
        }
        std::ranges::sort(takes_some);
        EXPECT_EQ(names(current_field(spec, target_for(isa))), takes_some)
            << spec_name(spec) << " on " << isa_name(isa);
      }
    }
  }
}

// What competes when a spec is tuned stands in the field of its entry.
TEST(CurrentField, HasAllCompetitors) {
  for (const Isa isa : {Isa::kAvx2, Isa::kAvxVnni, Isa::kAvx512Vnni, Isa::kAmx}) {
    for (const LayoutId layout : kLayouts) {
      for (const int m : {1, 2, 8, kAnyM}) {
        const MatmulSpec spec{.n = 256, .k = 2560, .m = m, .layout = layout};
        const auto field = names(current_field(spec, target_for(isa)));
        for (const Generator* each : test::competitors(spec, target_for(isa)))
          EXPECT_TRUE(std::ranges::binary_search(field, each->name()))
              << each->name() << " for " << spec_name(spec) << " on " << isa_name(isa);
      }
    }
  }
}

class DropUnusable : public testing::Test {
 protected:
  void SetUp() override {
    if (find_generator("static_matmul_avx2") == nullptr) GTEST_SKIP() << "a build without x64";
  }
  ProfileEntry usable(int64_t n = 256) {
    return scripted_entry({.n = n, .k = 256}, kAvx2Target, 2, {{"static_matmul_avx2", {}}});
  }
  std::string drop(Profile& profile, const Target& machine = kAvx2Target) {
    problems_.clear();
    dropped_ = drop_unusable(profile, machine, problems_);
    return problems_.empty() ? "" : problems_.back();
  }
  std::vector<std::string> problems_;
  int64_t dropped_ = 0;
};

TEST_F(DropUnusable, KeepsWhatThisBuildHas) {
  Profile profile = profile_of({usable()});
  EXPECT_EQ(drop(profile), "");
  EXPECT_EQ(profile.entries.size(), 1u);
  // A machine with higher tiers still has this one, under a cap.
  EXPECT_EQ(drop(profile, target_for(Isa::kAvx512Vnni)), "");
  EXPECT_EQ(dropped_, 0);
}

TEST_F(DropUnusable, StaleEntriesTogetherWithTheRemedy) {
  Profile profile = profile_of({usable(64), usable(128), usable(256)});
  for (const size_t i : {size_t{0}, size_t{2}}) {
    for (std::string& label : profile.entries[i].field)
      if (label.starts_with("static_matmul_avx2.")) label = "static_matmul_avx2.900";
    profile.entries[i].measurements[0].revision = 900;
  }
  const std::string problem = drop(profile);
  EXPECT_EQ(dropped_, 2);
  EXPECT_EQ(problems_.size(), 1u);
  for (const char* named : {"2 of the entries", "static_matmul_avx2.900 then, static_matmul_avx2.",
                            "`bitnetc autotune`"})
    EXPECT_NE(problem.find(named), std::string::npos) << problem;
  ASSERT_EQ(profile.entries.size(), 1u);
  EXPECT_EQ(profile.entries[0].key.spec.n, 128);
}

TEST_F(DropUnusable, AGeneratorThatCameOrWent) {
  Profile more = profile_of({usable()}), fewer = more;
  more.entries[0].field.insert(more.entries[0].field.begin(), "a_kernel_of_old.3");
  EXPECT_NE(drop(more).find("a_kernel_of_old.3 is not part of this build"), std::string::npos);
  const std::string gone = fewer.entries[0].field.back();
  fewer.entries[0].field.pop_back();
  EXPECT_NE(drop(fewer).find(gone + " is new"), std::string::npos) << problems_[0];
}

TEST_F(DropUnusable, PlansThatAreRefusedAndTiersThatAreNotHere) {
  Profile profile =
      profile_of({scripted_entry({.n = 256, .k = 256}, kAvx2Target, 2,
                                 {{"x64_matmul_i2s_avx2", DirectPlan{.tiles_per_step = 3}}})});
  EXPECT_NE(drop(profile).find("tiles_per_step = 3"), std::string::npos) << problems_[0];
  EXPECT_TRUE(profile.entries.empty());
  profile = profile_of({usable()});
  profile.entries[0].key.target = "amx";
  EXPECT_NE(drop(profile).find("tiers up to avx2"), std::string::npos) << problems_[0];
  EXPECT_TRUE(profile.entries.empty());
}

}  // namespace
}  // namespace bitnetc::test
