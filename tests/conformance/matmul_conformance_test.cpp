// Every matmul generator of the build, over every layout it reads, against a plain loop and
// codegen/reference, bit by bit: model shapes, ragged K, pad rows, extreme operands, every number
// of tokens, a grid of plans, sub-ranges of tiles, gaps between rows, guard pages around every
// buffer, ABI. And all of them against each other. Kernels whose tier this CPU lacks are generated
// all the same; running them is skipped, loudly.
#include <gtest/gtest.h>

#include <algorithm>
#include <cmath>
#include <cstring>
#include <limits>
#include <random>

#include "codegen/matmul_plans.h"
#include "tests/support/generators.h"
#include "tests/support/kernel_call.h"
#include "tests/support/problem.h"

namespace bitnetc {
namespace {

using test::Activations;
using test::Edge;
using test::MatmulEngine;
using test::MatmulProblem;
using test::ProblemOptions;
using test::Weights;

struct TileRange {
  int64_t begin, end;
};
using TileRanges = std::vector<TileRange>;

// Numbers of tokens of one call: all small ones that differ in how a kernel cuts them, and the
// edges of groups of 8, 16 and 32.
constexpr int64_t kTokenCounts[] = {1, 2, 3, 4, 7, 8, 15, 16, 17, 31, 32, 33, 64, 100, 256};
constexpr int64_t kFewTokenCounts[] = {1, 2, 3, 5, 8, 17, 33};

// The kernels of one generator for a spec: made for one number of tokens, or for any.
class MatmulConformance : public testing::TestWithParam<MatmulEngine> {
 protected:
  const Generator& generator() const { return *GetParam().generator; }
  // The spec in the layout at hand.
  MatmulSpec in_layout(MatmulSpec spec) const {
    spec.layout = GetParam().layout;
    return spec;
  }
  bool serves(const MatmulSpec& spec, const KernelPlan& plan = {}) const {
    return test::lowest_target(generator(), in_layout(spec), plan).has_value();
  }

  // The kernel, without its start-up proof: the tests are to find the error themselves. Null where
  // it is declined or may not run here.
  Kernel build(const MatmulSpec& spec, const KernelPlan& plan) {
    const auto target = test::lowest_target(generator(), spec, plan);
    if (!target) return {};
    const KernelRequest request{spec, plan, *target};
    auto kernel = generator().build(request, kernel_name(request, generator()), settings_);
    EXPECT_TRUE(kernel.ok()) << kernel.status().message();
    ++built_;
    if (!kernel.ok()) return {};
    if (!test::runs_here(generator(), spec, plan)) {
      lacking_ = target->name();
      return {};
    }
    ++run_;
    return *std::move(kernel);
  }

  // A problem for these kernels: as many tokens as they may be called with, tables as they want
  // them.
  MatmulProblem problem_for(const MatmulSpec& spec, ProblemOptions options) const {
    options.table_form = generator().table_form(in_layout(spec));
    return MatmulProblem(in_layout(spec), options);
  }

  // One call for each range of tiles.
  void expect_exact(const Kernel& kernel, MatmulProblem& problem, const TileRanges& ranges,
                    int64_t tokens) {
    for (const TileRange& range : ranges) {
      SCOPED_TRACE(fmt::format("{}: tiles {}..{}, {} tokens", kernel.name(), range.begin, range.end,
                               tokens));
      const MatmulArgs args = problem.args(range.begin, range.end, tokens);
      ASSERT_EQ(test::call_kernel(kernel, &args), "");
      ASSERT_EQ(problem.check(range.begin, range.end, tokens), "");
    }
  }

  // Every kernel for this spec, whatever its m: those for one number of tokens that occurs in
  // `counts`, and the one for any number with each of them.
  template <typename Counts>
  void expect_all_exact(MatmulSpec spec, const KernelPlan& plan, const Counts& counts,
                        ProblemOptions options = {}, TileRanges ranges = {}) {
    if (ranges.empty()) ranges = {{0, spec.n / kTileRows}};
    spec = in_layout(spec);
    for (const int64_t tokens : counts) {
      spec.m = static_cast<int>(tokens);
      if (tokens > kMaxSmallM || !serves(spec, plan)) continue;
      const Kernel kernel = build(spec, plan);
      if (!kernel) continue;
      MatmulProblem problem = problem_for(spec, options);
      ASSERT_NO_FATAL_FAILURE(expect_exact(kernel, problem, ranges, tokens));
    }
    spec.m = kAnyM;
    const Kernel kernel = serves(spec, plan) ? build(spec, plan) : Kernel();
    if (!kernel) return;
    options.m = *std::ranges::max_element(counts);
    MatmulProblem problem = problem_for(spec, options);
    for (const int64_t tokens : counts)
      ASSERT_NO_FATAL_FAILURE(expect_exact(kernel, problem, ranges, tokens));
  }

  // Called last, when all that can be checked without the tier has been.
  void finish() const {
    EXPECT_GT(built_, 0) << GetParam().name() << " served none of these";
    if (run_ > 0 || lacking_.empty()) return;
    std::printf("SKIPPED RUNNING %s: this CPU lacks %s; its kernels were generated only\n",
                GetParam().name().c_str(), lacking_.c_str());
    GTEST_SKIP() << "this CPU lacks " << lacking_;
  }

  BuildSettings settings_;

 private:
  int built_ = 0, run_ = 0;
  std::string lacking_;
};

GTEST_ALLOW_UNINSTANTIATED_PARAMETERIZED_TEST(MatmulConformance);
INSTANTIATE_TEST_SUITE_P(Engines, MatmulConformance, testing::ValuesIn(test::matmul_engines()),
                         [](const auto& instance) { return instance.param.name(); });

TEST_P(MatmulConformance, EveryTokenCountAndEpilogue) {
  for (const Epilogue epilogue : kEpilogues) {
    expect_all_exact({.n = 96, .k = 320, .epilogue = epilogue}, {}, kTokenCounts);
    expect_all_exact({.n = 32, .k = 100, .epilogue = epilogue}, {}, std::vector<int64_t>{5, 6, 9});
  }
  finish();
}

TEST_P(MatmulConformance, RaggedK) {
  for (const int64_t k :
       {1, 4, 15, 16, 17, 20, 21, 35, 36, 37, 63, 64, 65, 72, 73, 100, 129, 143, 145, 257, 5460}) {
    for (const Edge edge : {Edge::kEnd, Edge::kBegin})
      expect_all_exact({.n = 16, .k = k}, DirectPlan{.k_unroll = 8}, kFewTokenCounts,
                       {.edge = edge});
  }
  finish();
}

// The matrix ends inside a tile; the rest is the packer's.
TEST_P(MatmulConformance, PadRows) {
  for (const int64_t rows : {1, 3, 17, 30, 33}) {
    for (const int64_t k : {4, 20, 100}) {
      const int64_t n = (rows + 31) / 32 * 32;
      for (const Epilogue epilogue : {Epilogue::kScale, Epilogue::kSiluMul})
        expect_all_exact({.n = n, .k = k, .epilogue = epilogue}, {}, kFewTokenCounts,
                         {.seed = 3, .rows = rows});
    }
  }
  finish();
}

TEST_P(MatmulConformance, ExtremeOperands) {
  for (const Weights weights :
       {Weights::kAllMinus, Weights::kAllZero, Weights::kAllPlus, Weights::kRandom}) {
    for (const Activations activations :
         {Activations::kAlternating127, Activations::kAll127, Activations::kAllMinus128}) {
      for (const int unroll : {4, 16}) {
        expect_all_exact({.n = 32, .k = 6912, .epilogue = Epilogue::kScale},
                         DirectPlan{.k_unroll = unroll}, kFewTokenCounts,
                         {.weights = weights, .activations = activations});
      }
      expect_all_exact({.n = 32, .k = 2560, .epilogue = Epilogue::kGeluMul}, {}, kFewTokenCounts,
                       {.weights = weights, .activations = activations});
    }
  }
  finish();
}

// A kernel for a few tokens: every plan it takes, every epilogue.
TEST_P(MatmulConformance, EveryPlan) {
  for (const Epilogue epilogue : kEpilogues) {
    for (int m = kAnyM; m <= kMaxSmallM; ++m) {
      const MatmulSpec spec = in_layout({.n = 352, .k = 368, .m = m, .epilogue = epilogue});
      if (!serves(spec)) continue;
      MatmulProblem problem = problem_for(spec, {.seed = 5, .m = 11});
      for (const int tiles : {1, 2, 4, 8}) {
        for (const int unroll : {1, 2, 3, 4, 7, 8, 16}) {
          const KernelPlan plan = DirectPlan{
              .tiles_per_step = tiles, .k_unroll = unroll, .prefetch_bytes = unroll % 2 * 1024};
          if (!serves(spec, plan)) continue;
          if (const Kernel kernel = build(spec, plan)) {
            ASSERT_NO_FATAL_FAILURE(expect_exact(kernel, problem, {{0, 22}}, 0));
          }
        }
      }
    }
  }
  finish();
}

// A kernel for any number of tokens: how it cuts K and the tokens. Epilogues take turns.
TEST_P(MatmulConformance, EveryPlanForAnyM) {
  constexpr int64_t kTokens[] = {1, 6, 37};
  size_t turn = 0;
  for (const Epilogue epilogue : kEpilogues) {
    const MatmulSpec spec = in_layout({.n = 288, .k = 1100, .m = kAnyM, .epilogue = epilogue});
    if (!serves(spec)) continue;
    MatmulProblem problem = problem_for(spec, {.seed = 6, .m = 37});
    for (const int block_k : {0, 16, 48, 64, 128, 144, 180, 256, 320, 512, 720, 1024, 2048}) {
      for (const int tokens : {0, 1, 2, 3, 4, 6, 8, 12, 16, 24, 32}) {
        const int tiles = 1 << turn % 4;
        const KernelPlan plan =
            PanelPlan{.tiles_per_step = tiles, .k_unroll = 4, .block_k = block_k, .tokens = tokens};
        ++turn;
        if (!serves(spec, plan)) continue;
        if (const Kernel kernel = build(spec, plan)) {
          ASSERT_NO_FATAL_FAILURE(expect_exact(kernel, problem, {{0, 18}}, kTokens[turn % 3]));
        }
      }
    }
  }
  if (turn > 0) finish();
}

TEST_P(MatmulConformance, TileRanges) {
  const TileRanges pairs = {{0, 0}, {4, 4}, {0, 2}, {2, 12}, {14, 16}, {4, 10}};
  const TileRanges any = {{0, 1}, {3, 4}, {1, 8}, {15, 16}, {5, 16}};
  for (const int tiles : {1, 2, 4, 8}) {
    for (const Epilogue epilogue : kEpilogues) {
      const MatmulSpec spec{.n = 256, .k = 100, .epilogue = epilogue};
      const KernelPlan plan = DirectPlan{.tiles_per_step = tiles};
      expect_all_exact(spec, plan, kFewTokenCounts, {.seed = 7}, pairs);
      if (!is_gated(epilogue)) expect_all_exact(spec, plan, kFewTokenCounts, {.seed = 7}, any);
    }
  }
  finish();
}

// Rows of x and y further apart than they are long.
TEST_P(MatmulConformance, GapsBetweenRows) {
  for (const Epilogue epilogue : kEpilogues) {
    for (const Edge edge : {Edge::kEnd, Edge::kBegin})
      expect_all_exact({.n = 64, .k = 200, .epilogue = epilogue}, {}, kFewTokenCounts,
                       {.edge = edge, .seed = 8, .x_gap = 128, .y_gap = 48});
  }
  finish();
}

TEST_P(MatmulConformance, ResidualInPlace) {
  for (int m = kAnyM; m <= kMaxSmallM; ++m) {
    const MatmulSpec spec = in_layout({.n = 64, .k = 96, .m = m, .epilogue = Epilogue::kResidual});
    const Kernel kernel = build(spec, {});
    if (!kernel) continue;
    MatmulProblem problem = problem_for(spec, {.seed = 9, .m = 19});
    MatmulArgs args = problem.args(0, problem.tiles());
    std::copy_n(args.residual, args.m * args.y_stride, args.y);
    args.residual = args.y;
    ASSERT_EQ(test::call_kernel(kernel, &args), "");
    EXPECT_EQ(problem.check(0, problem.tiles()), "") << kernel.name();
  }
  finish();
}

// The largest magnitude of every token beside the outputs.
TEST_P(MatmulConformance, RowMax) {
  uint64_t seed = 30;
  for (const Epilogue epilogue : kEpilogues) {
    const MatmulSpec spec{.n = 96, .k = 320, .epilogue = epilogue, .row_absmax = true};
    for (const Edge edge : {Edge::kEnd, Edge::kBegin}) {
      expect_all_exact(spec, {}, kTokenCounts, {.edge = edge, .seed = ++seed});
      expect_all_exact({.n = 32, .k = 100, .epilogue = epilogue, .row_absmax = true}, {},
                       kFewTokenCounts, {.edge = edge, .seed = ++seed, .y_gap = 16});
    }
    for (const int tiles : {1, 2, 4, 8}) {
      expect_all_exact({.n = 352, .k = 148, .epilogue = epilogue, .row_absmax = true},
                       DirectPlan{.tiles_per_step = tiles}, kFewTokenCounts, {.seed = ++seed},
                       {{0, 0}, {0, 22}, {2, 12}});
    }
  }
  expect_all_exact({.n = 32, .k = 64, .row_absmax = true}, {}, kFewTokenCounts,
                   {.weights = Weights::kAllZero});
  finish();
}

// A NaN is passed over, wherever it is among the outputs of a tile.
TEST_P(MatmulConformance, RowMaxPassesOverNaN) {
  for (int m = kAnyM; m <= kMaxSmallM; ++m) {
    const MatmulSpec spec =
        in_layout({.n = 64, .k = 96, .m = m, .epilogue = Epilogue::kResidual, .row_absmax = true});
    const Kernel kernel = build(spec, {});
    if (!kernel) continue;
    MatmulProblem problem = problem_for(spec, {.seed = 40, .m = 19});
    for (int64_t place = 0; place < kTileRows; ++place) {
      MatmulArgs args = problem.args(0, problem.tiles());
      std::vector<float> residual(args.residual, args.residual + args.m * args.y_stride);
      for (int64_t token = 0; token < args.m; ++token) {
        for (int64_t i = place; i < 48; i += 7)
          residual[static_cast<size_t>(token * args.y_stride + i)] =
              std::numeric_limits<float>::quiet_NaN();
      }
      args.residual = residual.data();
      std::vector<float> row_absmax(static_cast<size_t>(args.m), 0.0f);
      args.row_absmax = row_absmax.data();
      ASSERT_EQ(test::call_kernel(kernel, &args), "");
      for (int64_t token = 0; token < args.m; ++token) {
        float most = 0;
        for (int64_t i = 0; i < spec.n; ++i)
          most = std::max(most, std::fabs(args.y[token * args.y_stride + i]));
        ASSERT_EQ(row_absmax[static_cast<size_t>(token)], most)
            << kernel.name() << " token " << token;
      }
    }
  }
  finish();
}

// A register read before it is written holds a pattern then, not a lucky zero.
TEST_P(MatmulConformance, PoisonedRegisters) {
  settings_.poison = true;
  for (const Epilogue epilogue : kEpilogues) {
    for (const int tiles : {1, 2, 4, 8}) {
      expect_all_exact({.n = 352, .k = 148, .epilogue = epilogue},
                       DirectPlan{.tiles_per_step = tiles}, kFewTokenCounts);
    }
  }
  finish();
}

// ---- shapes of models

struct ModelShape {
  int64_t n, k;
  Epilogue epilogue;
};
using ModelShapes = std::vector<ModelShape>;

constexpr auto kScale = Epilogue::kScale;
constexpr auto kResidual = Epilogue::kResidual;

class MatmulModelShapes : public MatmulConformance {
 protected:
  // The start, the end and a few tiles between, for plans that models use.
  template <typename Counts>
  void expect_exact_sampled(const ModelShapes& shapes, const Counts& counts) {
    const KernelPlan plans[] = {
        {},
        DirectPlan{.tiles_per_step = 2, .k_unroll = 8, .prefetch_bytes = 2048},
        DirectPlan{.tiles_per_step = 4, .k_unroll = 8, .prefetch_bytes = 2048},
        DirectPlan{.tiles_per_step = 8, .k_unroll = 4, .prefetch_bytes = 4096}};
    uint64_t seed = 10;
    for (const auto& [n, k, epilogue] : shapes) {
      const int64_t tiles = n / kTileRows, middle = tiles / 4 * 2;
      const TileRanges ranges = {
          {0, 2}, {middle, std::min(middle + 12, tiles)}, {tiles - 2, tiles}};
      for (const KernelPlan& plan : plans) {
        expect_all_exact({.n = n, .k = k, .epilogue = epilogue}, plan, counts, {.seed = ++seed},
                         ranges);
        if (HasFatalFailure()) return;
      }
    }
    finish();
  }
};

GTEST_ALLOW_UNINSTANTIATED_PARAMETERIZED_TEST(MatmulModelShapes);
INSTANTIATE_TEST_SUITE_P(Engines, MatmulModelShapes, testing::ValuesIn(test::matmul_engines()),
                         [](const auto& instance) { return instance.param.name(); });

TEST_P(MatmulModelShapes, Bundled) {
  expect_exact_sampled({{512, 256, kScale},
                        {256, 256, kResidual},
                        {1024, 256, Epilogue::kRelu2Mul},
                        {256, 512, kResidual},
                        {640, 1024, kScale}},
                       kTokenCounts);
}

TEST_P(MatmulModelShapes, BitNet2B) {
  expect_exact_sampled({{3840, 2560, kScale},
                        {2560, 2560, kResidual},
                        {13824, 2560, Epilogue::kRelu2Mul},
                        {2560, 6912, kResidual}},
                       kTokenCounts);
}

TEST_P(MatmulModelShapes, BitNetLarge) {
  expect_exact_sampled({{4608, 1536, kScale},
                        {1536, 4096, kResidual},
                        {4096, 1536, kScale},
                        {8192, 1536, Epilogue::kSiluMul}},
                       kTokenCounts);
}

TEST_P(MatmulModelShapes, BitNet3B) {
  expect_exact_sampled({{9600, 3200, kScale},
                        {3200, 8640, kResidual},
                        {17280, 3200, Epilogue::kSiluMul},
                        {8640, 3200, kScale}},
                       kTokenCounts);
}

TEST_P(MatmulModelShapes, Llama8B) {
  expect_exact_sampled({{6144, 4096, kScale},
                        {4096, 4096, kResidual},
                        {28672, 4096, Epilogue::kSiluMul},
                        {4096, 14336, kResidual}},
                       std::vector<int64_t>{1, 4, 8, 17, 64});
}

TEST_P(MatmulModelShapes, Falcon3) {
  expect_exact_sampled({{3072, 23040, kResidual}, {46080, 3072, Epilogue::kSiluMul}},
                       std::vector<int64_t>{1, 4, 8, 33, 100});
}

// ---- all against all

// Whatever runs here and reads the layout, on random shapes: the same bits of y.
class MatmulEnginesAgree : public testing::TestWithParam<LayoutId> {};

INSTANTIATE_TEST_SUITE_P(Layouts, MatmulEnginesAgree, testing::ValuesIn(kLayouts),
                         [](const auto& instance) {
                           return std::string(layout_name(instance.param));
                         });

struct NamedOutput {
  std::string kernel;
  std::vector<float> y;
};

// The kernels of all generators for `tokens` of the problem, exact m and any m, each run once.
std::vector<NamedOutput> outputs_of_all(MatmulSpec spec, int64_t tokens, uint64_t seed) {
  std::vector<NamedOutput> outputs;
  for (const auto& generator : KernelBuilder::generators()) {
    for (const int m : {static_cast<int>(tokens), kAnyM}) {
      spec.m = m;
      if (m > kMaxSmallM || !test::runs_here(*generator, spec)) continue;
      const TableForm form = generator->table_form(spec);
      MatmulProblem problem(spec, {.seed = seed, .m = tokens, .table_form = form});
      const KernelRequest request{spec, {}, *test::lowest_target(*generator, spec)};
      const auto kernel = generator->build(request, kernel_name(request, *generator), {});
      EXPECT_TRUE(kernel.ok()) << kernel.status().message();
      if (!kernel.ok()) continue;
      const MatmulArgs args = problem.args(0, problem.tiles());
      EXPECT_EQ(test::call_kernel(*kernel, &args), "");
      outputs.push_back({kernel->name(), {args.y, args.y + tokens * args.y_stride}});
    }
  }
  return outputs;
}

TEST_P(MatmulEnginesAgree, OnRandomShapes) {
  for (uint64_t seed = 1; seed <= 30; ++seed) {
    std::mt19937 random(static_cast<uint32_t>(seed));
    const auto below = [&](uint32_t limit) { return static_cast<int64_t>(random() % limit); };
    const MatmulSpec spec{.n = 32 * (1 + below(8)),
                          .k = 1 + below(seed % 3 == 0 ? 3000 : 300),
                          .layout = GetParam(),
                          .epilogue = kEpilogues[below(5)]};
    const int64_t tokens = 1 + below(seed % 2 == 0 ? 8 : 40);
    const std::vector<NamedOutput> outputs = outputs_of_all(spec, tokens, seed);
    ASSERT_GE(outputs.size(), 1U);
    const NamedOutput& reference = outputs.back();
    for (const NamedOutput& output : outputs) {
      EXPECT_EQ(std::memcmp(output.y.data(), reference.y.data(), output.y.size() * sizeof(float)),
                0)
          << output.kernel << " against " << reference.kernel << ", seed " << seed << ", " << tokens
          << " tokens";
    }
  }
}

}  // namespace
}  // namespace bitnetc
