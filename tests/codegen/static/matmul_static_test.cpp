// The static matmul kernels of every tier and layout against the reference and a plain loop, bit by
// bit.
#include <gtest/gtest.h>

#include <algorithm>
#include <cstdio>

#include "codegen/kernel_builder.h"
#include "runtime/cpu_features.h"
#include "tests/support/problem.h"

namespace bitnetc::test {
namespace {

constexpr std::string_view kTiers[] = {"avx2", "avxvnni", "avx512vnni"};
constexpr Edge kEdges[] = {Edge::kEnd, Edge::kBegin};

const Generator* generator_of(std::string_view tier) {
  for (const auto& generator : KernelBuilder::generators())
    if (generator->name() == fmt::format("static_matmul_{}", tier)) return generator.get();
  return nullptr;
}

struct Case {
  std::string_view tier;
  LayoutId layout;
};

class MatmulStaticTest : public testing::TestWithParam<Case> {
 protected:
  void SetUp() override {
    generator_ = generator_of(GetParam().tier);
    ASSERT_NE(generator_, nullptr);
    const Target machine = machine_target();
    const KernelRequest any{
        .spec = MatmulSpec{.n = 16, .k = 16, .m = kAnyM, .layout = GetParam().layout},
        .plan = {},
        .target = machine};
    if (const Status here = generator_->accepts(any); !here.ok()) {
      const std::string reason =
          fmt::format("{} {}: {}", GetParam().tier, layout_name(GetParam().layout), here.message());
      std::printf("SKIPPED RUNNING static matmul %s\n", reason.c_str());
      GTEST_SKIP() << reason;
    }
  }

  // Over all tiles; where options.m counts, for any M.
  void expect_exact(MatmulSpec spec, const ProblemOptions& options = {}) {
    spec.layout = GetParam().layout;
    SCOPED_TRACE(fmt::format("{} for {} tokens", spec_name(spec), options.m));
    MatmulProblem problem(spec, options);
    run(spec, problem, 0, problem.tiles());
    ASSERT_EQ(problem.check(0, problem.tiles()), "");
  }
  void run(const MatmulSpec& spec, MatmulProblem& problem, int64_t begin, int64_t end) {
    build(spec)(problem.args(begin, end));
  }
  // Without the start-up proof: the tests are to find the error themselves.
  Kernel build(const MatmulSpec& spec) const {
    const KernelRequest request{.spec = spec, .plan = {}, .target = machine_target()};
    BITNETC_CHECK(generator_->accepts(request).ok(), "{}", spec_name(spec));
    return *generator_->build(request, kernel_name(request, *generator_), {});
  }

  const Generator* generator_ = nullptr;
};

constexpr int64_t kColumns[] = {1, 4, 20, 37, 100, 128, 256, 2560};

TEST_P(MatmulStaticTest, FewTokens) {
  for (const int m : {1, 2, 3, 4, 5, 6, 7, 8}) {
    for (const int64_t k : kColumns)
      for (const int64_t n : {16, 48, 80, 96})
        for (const Edge edge : kEdges) expect_exact({.n = n, .k = k, .m = m}, {.edge = edge});
  }
}

TEST_P(MatmulStaticTest, AnyNumberOfTokens) {
  for (const int64_t m : {1, 2, 7, 15, 16, 17, 33, 100, 256}) {
    for (const int64_t k : kColumns) {
      for (const int64_t n : {16, 48, 80, 96}) {
        if (m * k * n > 256 * 256 * 96) continue;  // the reference is slow
        const Edge edge = kEdges[n / 16 % 2];
        expect_exact({.n = n, .k = k, .m = kAnyM}, {.edge = edge, .m = m});
      }
    }
  }
  for (const int64_t m : {7, 17, 33, 256})
    for (const Edge edge : kEdges)
      expect_exact({.n = 112, .k = 2560, .m = kAnyM}, {.edge = edge, .m = m});
}

TEST_P(MatmulStaticTest, EveryEpilogue) {
  for (const Epilogue epilogue : kEpilogues) {
    for (const int64_t k : {37, 256}) {
      for (const int64_t n : {32, 64, 96, 160}) {
        for (const int m : {1, 2, 4, 8})
          expect_exact({.n = n, .k = k, .m = m, .epilogue = epilogue});
        for (const int64_t m : {3, 17, 33})
          expect_exact({.n = n, .k = k, .m = kAnyM, .epilogue = epilogue}, {.m = m});
      }
    }
  }
}

TEST_P(MatmulStaticTest, ExtremeOperands) {
  for (const Weights weights : {Weights::kAllMinus, Weights::kAllZero, Weights::kAllPlus}) {
    for (const Activations activations :
         {Activations::kAlternating127, Activations::kAll127, Activations::kAllMinus128}) {
      ProblemOptions options{.weights = weights, .activations = activations};
      for (const int m : {1, 2, 3}) expect_exact({.n = 48, .k = 2560, .m = m}, options);
      for (const int64_t m : {5, 20}) {
        options.m = m;
        expect_exact({.n = 48, .k = 2560, .m = kAnyM}, options);
      }
    }
  }
}

TEST_P(MatmulStaticTest, TileRanges) {
  for (const int64_t m : {1, 9}) {
    const MatmulSpec spec{.n = 256, .k = 100, .m = kAnyM, .layout = GetParam().layout};
    MatmulProblem problem(spec, {.m = m});
    for (const auto& [begin, end] : {std::pair<int64_t, int64_t>{0, 0}, {3, 4}, {1, 8}, {5, 16}}) {
      problem.reset_output();
      run(spec, problem, begin, end);
      EXPECT_EQ(problem.check(begin, end), "") << begin << ".." << end;
    }
  }
}

// 35 tokens: AMX cuts them into overlapping blocks.
TEST_P(MatmulStaticTest, ResidualInPlace) {
  for (const int64_t m : {3, 35}) {
    const MatmulSpec spec{
        .n = 64, .k = 96, .m = kAnyM, .layout = GetParam().layout, .epilogue = Epilogue::kResidual};
    MatmulProblem problem(spec, {.m = m});
    MatmulArgs args = problem.args(0, problem.tiles());
    std::copy_n(args.residual, m * args.y_stride, args.y);
    args.residual = args.y;
    build(spec)(args);
    EXPECT_EQ(problem.check(0, problem.tiles()), "");
  }
}

std::vector<Case> all_cases() {
  std::vector<Case> cases;
  for (const std::string_view tier : kTiers)
    for (const LayoutId layout : kLayouts) cases.push_back({tier, layout});
  return cases;
}

INSTANTIATE_TEST_SUITE_P(Tiers, MatmulStaticTest, testing::ValuesIn(all_cases()),
                         [](const auto& instance) {
                           return fmt::format("{}_{}", instance.param.tier,
                                              layout_name(instance.param.layout));
                         });

TEST(MatmulStaticSelectionTest, Avx512WithoutVbmiDeclinesTriples) {
  Target cascade_lake = target_for(Isa::kAvx512Vnni);
  cascade_lake.features.set(Feature::kAvx512Vbmi, false);
  const Generator& generator = *generator_of("avx512vnni");
  for (const LayoutId layout : kLayouts) {
    const KernelRequest request{
        .spec = MatmulSpec{.n = 32, .k = 64, .layout = layout}, .plan = {}, .target = cascade_lake};
    const bool pairs = layout == LayoutId::kI2S || layout == LayoutId::kTl1;
    EXPECT_EQ(generator.accepts(request).ok(), pairs) << layout_name(layout);
  }
}

TEST(MatmulStaticSelectionTest, DeclinesLongRows) {
  const KernelRequest request{
      .spec = MatmulSpec{.n = 32, .k = 1 << 19}, .plan = {}, .target = target_for(Isa::kAvx2)};
  ASSERT_NE(generator_of("avx2"), nullptr);
  EXPECT_EQ(generator_of("avx2")->accepts(request).message(), "K = 524288 is not below 524288");
}

}  // namespace
}  // namespace bitnetc::test
