// Every matmul generator of the build against codegen/reference and a plain loop, bit by bit: model
// shapes, ragged K, extreme operands, every M, a grid of plans, sub-ranges of tiles, guard pages, ABI.
// Generators whose tier this CPU lacks are built all the same; running them is skipped, loudly.
#include <gtest/gtest.h>

#include <set>

#include "codegen/kernel_builder.h"
#include "runtime/cpu_features.h"
#include "runtime/options.h"
#include "tests/support/abi_trampoline.h"
#include "tests/support/problem.h"

namespace bitnetc {
namespace {

using test::Activations;
using test::Edge;
using test::MatmulProblem;
using test::Weights;

struct TileRange {
  int64_t begin, end;
};

std::vector<std::string> matmul_generators() {
  std::vector<std::string> names;
  for (const auto& generator : KernelBuilder::generators()) {
    const std::string name(generator->name());
    if (name.find("i2s") != std::string::npos) names.push_back(name);
  }
  return names;
}

class MatmulConformance : public testing::TestWithParam<std::string> {
 protected:
  void SetUp() override {
    for (const auto& generator : KernelBuilder::generators())
      if (generator->name() == GetParam()) generator_ = generator.get();
    ASSERT_NE(generator_, nullptr);
    isa_ = parse_isa(generator_->suffix()).value_or(Isa::kScalar);
    runs_here_ = machine_target().supports(isa_);
  }

  bool serves(const MatmulSpec& spec, const KernelPlan& plan = {}) const {
    return generator_->accepts({spec, plan, target_for(isa_)}).ok();
  }
  std::vector<int> token_counts() const {
    std::vector<int> counts;
    for (int m = 1; m <= kMaxSmallM; ++m)
      if (serves({.n = 32, .k = 64, .m = m})) counts.push_back(m);
    return counts;
  }

  // The kernel, without its start-up proof: the tests are to find the error themselves.
  Kernel build(const MatmulSpec& spec, const KernelPlan& plan) const {
    const KernelRequest request{spec, plan, target_for(isa_)};
    auto kernel = generator_->build(request, kernel_name(request, *generator_));
    EXPECT_TRUE(kernel.ok()) << kernel.status().message();
    return kernel.ok() ? *kernel : Kernel();
  }

  // Builds the kernel, runs it on the range and compares.
  void expect_exact(const MatmulSpec& spec, const KernelPlan& plan,
                    const test::ProblemOptions& options, const std::vector<TileRange>& ranges) {
    if (!serves(spec, plan)) return;
    SCOPED_TRACE(spec_name(spec) + " " + plan_name(plan));
    const Kernel kernel = build(spec, plan);
    if (!kernel || !runs_here_) return;
    MatmulProblem problem(spec, options);
    for (const TileRange& range : ranges) {
      problem.reset_output();
      const MatmulArgs args = problem.args(range.begin, range.end);
      const std::string broken = test::call_and_check_abi(kernel.entry(), &args, nullptr);
      ASSERT_EQ(broken, "");
      ASSERT_EQ(problem.check(range.begin, range.end), "") << range.begin << ".." << range.end;
    }
  }
  void expect_exact(const MatmulSpec& spec, const KernelPlan& plan = {},
                    const test::ProblemOptions& options = {}) {
    expect_exact(spec, plan, options, {{0, spec.n / kTileRows}});
  }
  // The start, the end and a few tiles between: the reference is slow.
  void expect_exact_sampled(const MatmulSpec& spec, const KernelPlan& plan) {
    const int64_t tiles = spec.n / kTileRows, middle = tiles / 4 * 2;
    expect_exact(spec, plan, {}, {{0, 2}, {middle, middle + 6}, {tiles - 2, tiles}});
  }

  // Called last, when all that can be checked without the tier has been.
  void skip_if_not_run() const {
    if (runs_here_) return;
    std::printf("SKIPPED RUNNING %s: this CPU lacks %s; its kernels were generated only\n",
                GetParam().c_str(), std::string(isa_name(isa_)).c_str());
    GTEST_SKIP() << "this CPU lacks " << isa_name(isa_);
  }

  const Generator* generator_ = nullptr;
  Isa isa_ = Isa::kScalar;
  bool runs_here_ = false;
};

TEST_P(MatmulConformance, EveryMAndEpilogue) {
  for (const int m : token_counts())
    for (const Epilogue epilogue : kEpilogues)
      expect_exact({.n = 96, .k = 320, .m = m, .epilogue = epilogue});
  skip_if_not_run();
}

TEST_P(MatmulConformance, RaggedK) {
  for (const int m : token_counts())
    for (const int64_t k : {1, 15, 16, 17, 20, 100, 129, 5460, 8640})
      for (const Edge edge : {Edge::kEnd, Edge::kBegin})
        expect_exact({.n = 16, .k = k, .m = m}, {.k_unroll = 8}, {.edge = edge});
  skip_if_not_run();
}

TEST_P(MatmulConformance, ExtremeOperands) {
  for (const int m : token_counts()) {
    for (const Weights weights :
         {Weights::kAllMinus, Weights::kAllZero, Weights::kAllPlus, Weights::kRandom}) {
      for (const Activations activations :
           {Activations::kAlternating127, Activations::kAll127, Activations::kAllMinus128}) {
        for (const int unroll : {8, 16}) {
          expect_exact({.n = 32, .k = 2560, .m = m}, {.k_unroll = unroll},
                       {.weights = weights, .activations = activations});
        }
      }
    }
  }
  skip_if_not_run();
}

TEST_P(MatmulConformance, EveryPlan) {
  std::set<int> tiles_seen;
  for (const int m : token_counts()) {
    for (const Epilogue epilogue : kEpilogues) {
      for (const int tiles : {1, 2, 4}) {
        for (const int unroll : {1, 2, 3, 4, 7, 8, 16}) {
          const KernelPlan plan{
              .tiles_per_step = tiles, .k_unroll = unroll, .prefetch_bytes = unroll % 2 * 1024};
          const MatmulSpec spec{.n = 160, .k = 368, .m = m, .epilogue = epilogue};
          if (!serves(spec, plan)) continue;
          tiles_seen.insert(tiles);
          expect_exact(spec, plan);
        }
      }
    }
  }
  EXPECT_TRUE(tiles_seen.contains(1));
  skip_if_not_run();
}

TEST_P(MatmulConformance, TileRanges) {
  for (const int tiles : {1, 2, 4}) {
    for (const int m : token_counts()) {
      const KernelPlan plan{.tiles_per_step = tiles};
      for (const Epilogue epilogue : kEpilogues) {
        const MatmulSpec spec{.n = 256, .k = 100, .m = m, .epilogue = epilogue};
        if (!serves(spec, plan)) continue;
        expect_exact(spec, plan, {}, {{0, 0}, {4, 4}, {0, 2}, {2, 12}, {14, 16}, {4, 10}});
        if (epilogue == Epilogue::kRelu2Mul) continue;
        expect_exact(spec, plan, {}, {{0, 1}, {3, 4}, {1, 8}, {15, 16}, {5, 16}});
      }
    }
  }
  skip_if_not_run();
}

TEST_P(MatmulConformance, ResidualInPlace) {
  const int m = token_counts().back();
  const MatmulSpec spec{.n = 64, .k = 96, .m = m, .epilogue = Epilogue::kResidual};
  const Kernel kernel = build(spec, {});
  if (runs_here_) {
    MatmulProblem problem(spec, {});
    MatmulArgs args = problem.args(0, problem.tiles());
    std::copy_n(args.residual, spec.m * args.y_stride, args.y);
    args.residual = args.y;
    kernel(args);
    EXPECT_EQ(problem.check(0, problem.tiles()), "");
  }
  skip_if_not_run();
}

// A register read before it is written holds a pattern then, not a lucky zero.
TEST_P(MatmulConformance, PoisonedRegisters) {
  const Options before = options();
  Options poisoned = before;
  poisoned.poison = true;
  set_options(poisoned);
  for (const int m : token_counts())
    for (const Epilogue epilogue : kEpilogues)
      expect_exact({.n = 32, .k = 48, .m = m, .epilogue = epilogue});
  set_options(before);
  skip_if_not_run();
}

TEST_P(MatmulConformance, ModelShapes) {
  const MatmulSpec shapes[] = {
      // the bundled model
      {.n = 512, .k = 256},
      {.n = 256, .k = 256, .epilogue = Epilogue::kResidual},
      {.n = 1024, .k = 256, .epilogue = Epilogue::kRelu2Mul},
      {.n = 256, .k = 512, .epilogue = Epilogue::kResidual},
      // 2B-4T
      {.n = 3840, .k = 2560},
      {.n = 2560, .k = 2560, .epilogue = Epilogue::kResidual},
      {.n = 13824, .k = 2560, .epilogue = Epilogue::kRelu2Mul},
      {.n = 2560, .k = 6912, .epilogue = Epilogue::kResidual},
      // 8B
      {.n = 6144, .k = 4096},
      {.n = 4096, .k = 4096, .epilogue = Epilogue::kResidual},
      {.n = 28672, .k = 4096, .epilogue = Epilogue::kRelu2Mul},
      {.n = 4096, .k = 14336, .epilogue = Epilogue::kResidual},
  };
  const std::vector<int> counts = token_counts();
  const KernelPlan plan{.k_unroll = 8, .prefetch_bytes = 2048};
  for (MatmulSpec spec : shapes) {
    for (const int m : std::set<int>{counts.front(), counts.back()}) {
      spec.m = m;
      expect_exact_sampled(spec, plan);
    }
  }
  skip_if_not_run();
}

INSTANTIATE_TEST_SUITE_P(Generators, MatmulConformance, testing::ValuesIn(matmul_generators()),
                         [](const auto& instance) { return instance.param; });

}  // namespace
}  // namespace bitnetc
