// What a profile answers, on scripted profiles: the choice, and where it says that it comes from.
#include "autotune/profile_plans.h"

#include <gtest/gtest.h>

#include "codegen/kernel_builder.h"
#include "codegen/matmul_plans.h"
#include "compiler/compile.h"
#include "compiler/link.h"
#include "frontend/load.h"
#include "runtime/cpu_features.h"
#include "tests/support/engine_fixture.h"
#include "tests/support/model_folder.h"
#include "tests/support/scripted_profile.h"

namespace bitnetc::test {
namespace {

const Target kAvx2Target = target_for(Isa::kAvx2);
constexpr KernelPlan kPlanA =
    DirectPlan{.tiles_per_step = 1, .k_unroll = 2, .prefetch_bytes = 1024};
constexpr KernelPlan kPlanB =
    DirectPlan{.tiles_per_step = 1, .k_unroll = 16, .prefetch_bytes = 512};
constexpr const char* kDirect = "x64_matmul_i2s_avx2";
constexpr const char* kPanel = "x64_panel_avx2";
constexpr const char* kStatic = "static_matmul_avx2";

class ProfilePlans : public testing::Test {
 protected:
  void SetUp() override {
    if (find_generator(kDirect) == nullptr) GTEST_SKIP() << "a build without x64";
  }
  void add(const MatmulSpec& spec, const char* generator, const KernelPlan& plan, int threads = 2,
           double median_s = 50e-6, Confidence confidence = Confidence::kSure) {
    ProfileEntry entry = scripted_entry(spec, kAvx2Target, threads, {{generator, plan, median_s}});
    entry.confidence = confidence;
    ASSERT_TRUE(validate(entry).ok()) << validate(entry).message();
    profile_.put(std::move(entry));
  }
  std::string choose(const MatmulSpec& spec, int threads = 2, const PlanModel& model = {}) const {
    return print_choice(
        ProfilePlanSource(profile_, threads, Usage::kGeneration, model).choose(spec, kAvx2Target));
  }
  std::string heuristic(const MatmulSpec& spec) const {
    return print_choice(HeuristicPlanSource().choose(spec, kAvx2Target));
  }

  Profile profile_;
  const MatmulSpec spec_{.n = 1024, .k = 512};
};

MatmulSpec with_m(MatmulSpec spec, int m) {
  spec.m = m;
  return spec;
}
MatmulSpec sized(int64_t n, int64_t k, int m = 1) {
  return {.n = n, .k = k, .m = m};
}

TEST_F(ProfilePlans, WhatWasMeasuredGoesFirst) {
  add(spec_, kDirect, kPlanA);
  add(with_m(spec_, 2), kDirect, kPlanB);
  EXPECT_EQ(choose(spec_), "t1u2p1024 measured x64_matmul_i2s_avx2");
  EXPECT_EQ(choose(with_m(spec_, 2)), "t1u16p512 measured x64_matmul_i2s_avx2");
}

TEST_F(ProfilePlans, WithoutAnEntryTheRuleOfThumb) {
  EXPECT_EQ(choose(spec_), heuristic(spec_));
  EXPECT_EQ(choose(with_m(spec_, kAnyM)), heuristic(with_m(spec_, kAnyM)));
  const ProfilePlanSource source(profile_, 1, Usage::kChat);
  EXPECT_EQ(source.choose(NormQuantizeSpec{.k = 64, .eps = 1e-5f}, kAvx2Target), KernelChoice());
}

TEST_F(ProfilePlans, AnotherLayoutOrTierSaysNothing) {
  add(spec_, kStatic, kPlanA);
  MatmulSpec other = spec_;
  other.layout = LayoutId::kTl2;
  EXPECT_EQ(choose(other), heuristic(other));
  const ProfilePlanSource source(profile_, 2, Usage::kGeneration);
  const Target vnni = target_for(Isa::kAvx512Vnni);
  EXPECT_EQ(source.choose(spec_, vnni), HeuristicPlanSource().choose(spec_, vnni));
}

TEST_F(ProfilePlans, TheNearestNumberOfTokensOfTheShape) {
  add(with_m(spec_, 4), kDirect, kPlanA);
  add(with_m(spec_, 8), kDirect, kPlanB);
  add(with_m(spec_, kAnyM), kPanel, DirectPlan{.tiles_per_step = 4});
  EXPECT_EQ(choose(with_m(spec_, 3)), "t1u2p1024 transferred x64_matmul_i2s_avx2");
  EXPECT_EQ(choose(with_m(spec_, 5)), "t1u2p1024 transferred x64_matmul_i2s_avx2");
  EXPECT_EQ(choose(with_m(spec_, 6)), "t1u16p512 transferred x64_matmul_i2s_avx2");
  EXPECT_EQ(choose(with_m(spec_, 2)), "t1u2p1024 transferred x64_matmul_i2s_avx2");
  // A factor of four is too far.
  EXPECT_EQ(choose(with_m(spec_, 1)), heuristic(with_m(spec_, 1)));
}

TEST_F(ProfilePlans, AnyNumberOfTokensStandsForItself) {
  add(with_m(spec_, kAnyM), kPanel, DirectPlan{.tiles_per_step = 4});
  EXPECT_EQ(choose(with_m(spec_, 8)), heuristic(with_m(spec_, 8)));
  EXPECT_EQ(choose(sized(2048, 512, kAnyM)), "t4u4p0 transferred x64_panel_avx2");
}

// Two tiles per group are for one token only; a lookup kernel serves nothing else.
TEST_F(ProfilePlans, APlanThatIsRefusedIsNotTransferred) {
  add(spec_, kDirect, DirectPlan{.tiles_per_step = 2});
  add(sized(2048, 512, 2), kDirect, kPlanB);
  EXPECT_EQ(choose(with_m(spec_, 2)), "t1u16p512 transferred x64_matmul_i2s_avx2");
  MatmulSpec words = spec_;
  words.layout = LayoutId::kTl1;
  add(words, "x64_lut_avx2", kPlanA);
  EXPECT_EQ(choose(words), "t1u2p1024 measured x64_lut_avx2");
  EXPECT_EQ(choose(with_m(words, 2)), heuristic(with_m(words, 2)));
}

// A plan that an entry claims and its generator refuses is not used even where the key is the very
// one asked for, nor a generator that this build lacks.
TEST_F(ProfilePlans, AnImpossibleEntryIsPassedOver) {
  add(spec_, kDirect, DirectPlan{.tiles_per_step = 8});
  EXPECT_EQ(choose(spec_), heuristic(spec_));
  profile_.entries.clear();
  add(spec_, "x64_matmul_of_old", kPlanA);
  EXPECT_EQ(choose(spec_), heuristic(spec_));
}

TEST_F(ProfilePlans, TheNearestShapeWithinAFactorOfFour) {
  add(sized(1024, 2048), kDirect, kPlanA);  // |ln 4| away
  EXPECT_EQ(choose(spec_), "t1u2p1024 transferred x64_matmul_i2s_avx2");
  EXPECT_EQ(choose(sized(1024, 496)), heuristic(spec_));
  EXPECT_EQ(choose(sized(2048, 1024)), "t1u2p1024 transferred x64_matmul_i2s_avx2");
  EXPECT_EQ(choose(sized(2064, 1024)), heuristic(spec_));
  EXPECT_EQ(choose(sized(4096, 1024)), heuristic(spec_));
  // Another shape answers for its own number of tokens only.
  EXPECT_EQ(choose(with_m(spec_, 2)), heuristic(with_m(spec_, 2)));
  add(sized(1024, 768), kDirect, kPlanB);
  EXPECT_EQ(choose(spec_), "t1u16p512 transferred x64_matmul_i2s_avx2");
}

TEST_F(ProfilePlans, TheShapeBeforeTheTokensBeforeTheEpilogue) {
  add(sized(1024, 528), kDirect, kPlanA);
  add(with_m(spec_, 2), kDirect, kPlanB);
  EXPECT_EQ(choose(spec_), "t1u16p512 transferred x64_matmul_i2s_avx2");
  MatmulSpec residual = spec_;
  residual.epilogue = Epilogue::kResidual;
  add(residual, kStatic, kPlanA);
  EXPECT_EQ(choose(spec_), "t1u2p1024 transferred static_matmul_avx2");
  MatmulSpec gated = spec_, gelu = spec_;
  gated.epilogue = Epilogue::kRelu2Mul;
  gelu.epilogue = Epilogue::kGeluMul;
  add(gated, kDirect, kPlanA);
  EXPECT_EQ(choose(spec_), "t1u2p1024 transferred static_matmul_avx2");
  EXPECT_EQ(choose(gelu), "t1u2p1024 transferred x64_matmul_i2s_avx2");
  MatmulSpec with_absmax = gated;
  with_absmax.row_absmax = true;
  add(with_absmax, kDirect, kPlanB);
  EXPECT_EQ(choose(gelu), "t1u2p1024 transferred x64_matmul_i2s_avx2");
}

TEST_F(ProfilePlans, TheNearestNumberOfThreads) {
  add(spec_, kDirect, kPlanA, 8);
  add(spec_, kStatic, kPlanB, 1);
  EXPECT_EQ(choose(spec_, 16), "t1u2p1024 transferred x64_matmul_i2s_avx2");
  EXPECT_EQ(choose(spec_, 2), "t1u16p512 transferred static_matmul_avx2");
  add(sized(2048, 512), kDirect, kPlanB, 2);
  EXPECT_EQ(choose(spec_, 2), "t1u16p512 transferred x64_matmul_i2s_avx2");
}

TEST_F(ProfilePlans, TheModelAnswersWhereNothingIsNear) {
  const PlanModel model = [](const MatmulSpec& spec, const Target&) -> std::optional<KernelChoice> {
    if (spec.m != 1) return std::nullopt;
    return KernelChoice{.plan = kPlanB, .generator = kStatic};
  };
  EXPECT_EQ(choose(spec_, 2, model), "t1u16p512 modelled static_matmul_avx2");
  EXPECT_EQ(choose(with_m(spec_, 2), 2, model), heuristic(with_m(spec_, 2)));
  add(sized(2048, 512), kDirect, kPlanA);
  EXPECT_EQ(choose(spec_, 2, model), "t1u2p1024 transferred x64_matmul_i2s_avx2");
}

// ---- layouts

class ProfileLayouts : public ProfilePlans {
 protected:
  // Microseconds of a call with one token and with kTunedPromptTokens.
  void add_layout(LayoutId layout, double one_us, double many_us,
                  Confidence confidence = Confidence::kSure, int threads = 2) {
    MatmulSpec spec = spec_;
    spec.layout = layout;
    add(spec, kStatic, {}, threads, one_us * 1e-6, confidence);
    spec.m = kAnyM;
    add(spec, kStatic, {}, threads, many_us * 1e-6);
  }
  LayoutId layout(Usage usage = Usage::kGeneration, int threads = 2) const {
    MatmulSpec spec = spec_;
    spec.layout = LayoutId::kTl1;  // says nothing
    spec.m = 5;
    return ProfilePlanSource(profile_, threads, usage).layout_for(spec, kAvx2Target);
  }
};

TEST_F(ProfileLayouts, I2sWhereNothingWasMeasured) {
  EXPECT_EQ(layout(), LayoutId::kI2S);
  // One of the two is not enough.
  MatmulSpec words = spec_;
  words.layout = LayoutId::kTl2;
  add(words, kStatic, {}, 2, 1e-6);
  EXPECT_EQ(layout(), LayoutId::kI2S);
  add_layout(LayoutId::kB3, 100, 1000);
  EXPECT_EQ(layout(), LayoutId::kB3);
}

// 1000 tokens of the usages: generation 700 alone, 200 in prompts; prefill 50 and 930.
TEST_F(ProfileLayouts, TheLeastTimeForTheUsage) {
  add_layout(LayoutId::kI2S, 100, 1280);  // 10 us a token of a prompt
  add_layout(LayoutId::kTl2, 90, 2560);
  const auto us = [&](LayoutId id, Usage usage) {
    MatmulSpec spec = spec_;
    spec.layout = id;
    return 1e6 * seconds_per_token(profile_, spec, kAvx2Target, 2, usage).value_or(0);
  };
  EXPECT_NEAR(us(LayoutId::kI2S, Usage::kGeneration), 72, 1e-9);
  EXPECT_NEAR(us(LayoutId::kTl2, Usage::kGeneration), 67, 1e-9);
  EXPECT_NEAR(us(LayoutId::kI2S, Usage::kPrefill), 14.3, 1e-9);
  EXPECT_EQ(us(LayoutId::kB3, Usage::kPrefill), 0);
  // 0.70 * 100 + 0.20 * 10 = 72 against 0.70 * 90 + 0.20 * 20 = 67; 0.05 * 100 + 0.93 * 10 = 14.3
  // against 23.1.
  EXPECT_EQ(layout(Usage::kGeneration), LayoutId::kTl2);
  EXPECT_EQ(layout(Usage::kPrefill), LayoutId::kI2S);
}

TEST_F(ProfileLayouts, SharesCountThatAllLayoutsHave) {
  add_layout(LayoutId::kI2S, 100, 1280);
  add_layout(LayoutId::kTl2, 90, 1280);
  MatmulSpec eight = with_m(spec_, 8);
  add(eight, kStatic, {}, 2, 100e-6);
  EXPECT_EQ(layout(), LayoutId::kTl2);
  // 0.04 * 20 ms / 8 = 100 us more.
  eight.layout = LayoutId::kTl2;
  add(eight, kStatic, {}, 2, 20e-3);
  EXPECT_EQ(layout(), LayoutId::kI2S);
}

TEST_F(ProfileLayouts, WithinTwoPercentFewerBytes) {
  add_layout(LayoutId::kI2S, 100, 1000);
  add_layout(LayoutId::kTl2, 101.5, 1015);
  EXPECT_EQ(layout(), LayoutId::kTl2);
  add_layout(LayoutId::kTl2, 102.5, 1025);
  EXPECT_EQ(layout(), LayoutId::kI2S);
  // tl1 has as many bytes as i2_s: the first of kLayouts.
  add_layout(LayoutId::kTl1, 99, 990);
  EXPECT_EQ(layout(), LayoutId::kI2S);
  add_layout(LayoutId::kTl1, 97, 970);
  EXPECT_EQ(layout(), LayoutId::kTl1);
}

TEST_F(ProfileLayouts, ANoisyOneMustWinClearly) {
  add_layout(LayoutId::kI2S, 100, 1000);
  add_layout(LayoutId::kTl2, 93, 930, Confidence::kNoisy);
  EXPECT_EQ(layout(), LayoutId::kI2S);
  add_layout(LayoutId::kTl2, 85, 850, Confidence::kNoisy);
  EXPECT_EQ(layout(), LayoutId::kTl2);
  add_layout(LayoutId::kTl2, 93, 930, Confidence::kTie);
  EXPECT_EQ(layout(), LayoutId::kTl2);
}

TEST_F(ProfileLayouts, TheNearestNumberOfThreadsThatHasALayout) {
  add_layout(LayoutId::kTl2, 100, 1000, Confidence::kSure, 8);
  EXPECT_EQ(layout(Usage::kGeneration, 2), LayoutId::kTl2);
  add_layout(LayoutId::kB3, 100, 1000, Confidence::kSure, 1);
  add_layout(LayoutId::kI2S, 200, 2000, Confidence::kSure, 1);
  EXPECT_EQ(layout(Usage::kGeneration, 2), LayoutId::kB3);
  EXPECT_EQ(layout(Usage::kGeneration, 6), LayoutId::kTl2);
}

// ---- in compiled models

class ProfileInModel : public ProfilePlans {
 protected:
  void SetUp() override {
    ProfilePlans::SetUp();
    if (!host_target().supports(Isa::kAvx2)) GTEST_SKIP() << "this CPU has no AVX2";
    write_model(make_packed_model({}, 7), folder_.path() / "model");
  }
  std::string compile_with(const PlanSource& plans, const std::string& name) {
    const auto loaded = load_model((folder_.path() / "model").string());
    EXPECT_TRUE(loaded.ok()) << loaded.status().message();
    const std::string path = folder_.file(name);
    const auto report = compile(
        loaded->graph, path, {.target = kAvx2Target, .plans = &plans, .bitnetc_version = "test"});
    EXPECT_TRUE(report.ok()) << report.status().message();
    return path;
  }
  std::shared_ptr<const CompiledModel> open(const std::string& path) {
    auto model = CompiledModel::open(path);
    EXPECT_TRUE(model.ok()) << model.status().message();
    return *model;
  }
  // The matmul of a step for one token.
  MatmulSpec spec_of(const CompiledModel& model, const std::string& name) {
    return std::get<MatmulSpec>(*parse_spec(step_of(model, name).kernel));
  }
  const Step& step_of(const CompiledModel& model, const std::string& name) {
    const auto& steps = model.description().program.steps;
    const auto at = std::ranges::find(steps, name, &Step::name);
    EXPECT_NE(at, steps.end()) << name;
    return *at;
  }
  // Names of the linked kernels for this spec; more than one where steps differ.
  std::vector<std::string> linked(const std::shared_ptr<const CompiledModel>& model,
                                  const PlanSource& plans, const MatmulSpec& spec) {
    KernelBuilder builder;
    LinkReport report;
    const auto executable = link(model, builder, {.target = kAvx2Target, .plans = &plans}, &report);
    EXPECT_TRUE(executable.ok()) << executable.status().message();
    std::vector<std::string> names;
    for (const LinkedKernel& kernel : report.kernels)
      if (kernel.name.starts_with(spec_name(spec) + "_t")) names.push_back(kernel.name);
    return names;
  }

  TempFolder folder_;
  static constexpr const char* kStep = "layers.0.qkv_proj";
};

TEST_F(ProfileInModel, TheFileSaysWhereItsPlansComeFrom) {
  const auto plain = open(compile_with(HeuristicPlanSource(), "plain.bnc"));
  const MatmulSpec qkv = spec_of(*plain, kStep);
  EXPECT_EQ(step_of(*plain, kStep).plans.at(1).find(' '), std::string::npos);

  add(qkv, kDirect, kPlanA);
  const ProfilePlanSource tuned(profile_, 2, Usage::kGeneration);
  const auto model = open(compile_with(tuned, "tuned.bnc"));
  const Step& step = step_of(*model, kStep);
  EXPECT_EQ(step.plans.at(1), "t1u2p1024 measured x64_matmul_i2s_avx2");
  EXPECT_EQ(step.plans.at(2), "t1u2p1024 transferred x64_matmul_i2s_avx2");
  EXPECT_EQ(step.plans.at(8), heuristic(with_m(qkv, 8)));
  EXPECT_EQ(step.plans.at(kAnyM), heuristic(with_m(qkv, kAnyM)));
  // What the file says is what runs where nothing better is known.
  EXPECT_EQ(linked(model, HeuristicPlanSource(), qkv),
            std::vector{spec_name(qkv) + "_t1u2p1024_avx2"});
}

TEST_F(ProfileInModel, LinkingPrefersWhatIsMeasuredHere) {
  const MatmulSpec qkv = spec_of(*open(compile_with(HeuristicPlanSource(), "plain.bnc")), kStep);
  add(qkv, kDirect, kPlanA);
  const ProfilePlanSource there(profile_, 2, Usage::kGeneration);
  const auto model = open(compile_with(there, "tuned.bnc"));
  Profile profile_here;
  profile_here.put(scripted_entry(qkv, kAvx2Target, 2, {{kStatic, kPlanB}}));
  const ProfilePlanSource here(profile_here, 2, Usage::kGeneration);
  EXPECT_EQ(linked(model, here, qkv), std::vector{spec_name(qkv) + "_t1u16p512_static_avx2"});
  // For another number of threads it is only transferred: the file's own measurement stands above
  // it.
  const ProfilePlanSource other_threads(profile_here, 4, Usage::kGeneration);
  EXPECT_EQ(linked(model, other_threads, qkv), std::vector{spec_name(qkv) + "_t1u2p1024_avx2"});
}

// A rule of thumb in the file gives way to anything that was measured here, be it for a neighbour.
TEST_F(ProfileInModel, LinkingTakesTheStrongerOfTheTwo) {
  const auto model = open(compile_with(HeuristicPlanSource(), "plain.bnc"));
  const MatmulSpec qkv = spec_of(*model, kStep);
  add(qkv, kStatic, kPlanB, 8);
  const ProfilePlanSource here(profile_, 2, Usage::kGeneration);
  EXPECT_EQ(linked(model, here, qkv), std::vector{spec_name(qkv) + "_t1u16p512_static_avx2"});
}

// The same bits whatever a profile chooses.
TEST_F(ProfileInModel, ALayoutFromTheProfileGivesTheSameBits) {
  const auto plain = open(compile_with(HeuristicPlanSource(), "plain.bnc"));
  const MatmulSpec qkv = spec_of(*plain, kStep);
  for (const LayoutId layout : {LayoutId::kI2S, LayoutId::kB3}) {
    MatmulSpec spec = qkv;
    spec.layout = layout;
    const double median_s = layout == LayoutId::kB3 ? 1e-6 : 2e-6;
    add(spec, kStatic, {}, 2, median_s);
    add(with_m(spec, kAnyM), kStatic, {}, 2, median_s);
  }
  const ProfilePlanSource tuned(profile_, 2, Usage::kGeneration);
  const auto model = open(compile_with(tuned, "tuned.bnc"));
  EXPECT_EQ(spec_of(*model, kStep).layout, LayoutId::kB3);
  const auto logits = [&](const std::string& name) {
    auto session = make_session(link_file(folder_.file(name), kAvx2Target), {.threads = 1});
    const Status status = session->append(std::vector<int32_t>{318, 72, 101, 108});
    EXPECT_TRUE(status.ok()) << status.message();
    return std::vector<float>(session->logits().begin(), session->logits().end());
  };
  EXPECT_EQ(logits("plain.bnc"), logits("tuned.bnc"));
}

}  // namespace
}  // namespace bitnetc::test
