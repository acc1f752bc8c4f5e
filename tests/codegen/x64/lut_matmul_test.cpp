// The LUT kernels against codegen/reference and a plain loop, between guard pages, and what
// their hot loops consist of. Code is generated on any x86-64 machine; running it needs the tier.
#include <Zydis/Zydis.h>
#include <gtest/gtest.h>

#include <cstdio>
#include <map>

#include "codegen/matmul_plans.h"
#include "codegen/x64/x64_generators.h"
#include "runtime/cpu_features.h"
#include "runtime/jit_observer.h"
#include "tests/support/abi_trampoline.h"
#include "tests/support/problem.h"

namespace bitnetc {
namespace {

using test::Activations;
using test::Edge;
using test::MatmulProblem;
using test::Weights;

constexpr LayoutId kWordLayouts[] = {LayoutId::kTl1, LayoutId::kTl2, LayoutId::kB3};
constexpr Epilogue kMadeEpilogues[] = {Epilogue::kScale, Epilogue::kResidual, Epilogue::kRelu2Mul};

struct TileRange {
  int64_t begin, end;
};

class LutMatmul : public testing::TestWithParam<Isa> {
 protected:
  void SetUp() override {
    generator_ = GetParam() == Isa::kAvx2 ? make_x64_lut_avx2() : make_x64_lut_avx512();
    if (!machine_target().supports(GetParam())) {
      std::printf("skipped: this CPU lacks %s\n", std::string(isa_name(GetParam())).c_str());
      GTEST_SKIP() << "this CPU lacks " << isa_name(GetParam());
    }
  }

  bool serves(const MatmulSpec& spec, const KernelPlan& plan) const {
    return generator_->accepts({spec, plan, target_for(GetParam())}).ok();
  }

  void expect_exact(const MatmulSpec& spec, const KernelPlan& plan, test::ProblemOptions options,
                    const std::vector<TileRange>& ranges) const {
    const KernelRequest request{spec, plan, target_for(GetParam())};
    const std::string name = kernel_name(request, *generator_);
    SCOPED_TRACE(name);
    ASSERT_TRUE(serves(spec, plan));
    const auto kernel = generator_->build(request, name, settings_);
    ASSERT_TRUE(kernel.ok()) << kernel.status().message();
    options.table_form = generator_->table_form(spec);
    MatmulProblem problem(spec, options);
    for (const TileRange& range : ranges) {
      problem.reset_output();
      const MatmulArgs args = problem.args(range.begin, range.end);
      ASSERT_EQ(test::call_and_check_abi(kernel->entry(), &args, nullptr), "");
      ASSERT_EQ(problem.check(range.begin, range.end), "") << range.begin << ".." << range.end;
    }
  }
  void expect_exact(const MatmulSpec& spec, const KernelPlan& plan = {},
                    const test::ProblemOptions& options = {}) const {
    expect_exact(spec, plan, options, {{0, spec.n / kTileRows}});
  }

  std::unique_ptr<Generator> generator_;
  BuildSettings settings_;
};

TEST_P(LutMatmul, ShapesAndEpilogues) {
  for (const LayoutId layout : kWordLayouts) {
    for (const int64_t k : {1, 4, 9, 20, 36, 37, 100, 2560, 8640}) {
      for (const int64_t n : {16, 32, 48, 80}) {
        for (const Epilogue epilogue : kMadeEpilogues) {
          const int64_t rows = is_gated(epilogue) ? (n + 31) / 32 * 32 : n;
          const MatmulSpec spec{.n = rows, .k = k, .layout = layout, .epilogue = epilogue};
          for (const Edge edge : {Edge::kEnd, Edge::kBegin})
            expect_exact(spec, DirectPlan{.tiles_per_step = 2}, {.edge = edge});
        }
      }
    }
  }
}

// As far as an accumulator ever gets, over several flushes.
TEST_P(LutMatmul, ExtremeOperands) {
  for (const LayoutId layout : kWordLayouts) {
    for (const Weights weights : {Weights::kAllMinus, Weights::kAllZero, Weights::kAllPlus}) {
      for (const Activations activations :
           {Activations::kAll127, Activations::kAllMinus128, Activations::kAlternating127}) {
        for (const int tiles : {1, 2}) {
          for (const int unroll : {1, 8, 16}) {
            expect_exact({.n = 48, .k = 2560, .layout = layout},
                         DirectPlan{.tiles_per_step = tiles, .k_unroll = unroll},
                         {.weights = weights, .activations = activations});
          }
        }
      }
    }
  }
}

TEST_P(LutMatmul, EveryPlan) {
  for (const LayoutId layout : kWordLayouts) {
    for (const Epilogue epilogue : kMadeEpilogues) {
      for (const int tiles : {1, 2, 4, 8}) {
        for (const int unroll : {1, 2, 3, 4, 7, 8, 16}) {
          const KernelPlan plan = DirectPlan{
              .tiles_per_step = tiles, .k_unroll = unroll, .prefetch_bytes = unroll % 2 * 5120};
          const MatmulSpec spec{.n = 160, .k = 1100, .layout = layout, .epilogue = epilogue};
          if (serves(spec, plan)) expect_exact(spec, plan);
        }
      }
    }
  }
}

TEST_P(LutMatmul, TileRanges) {
  for (const LayoutId layout : kWordLayouts) {
    for (const int tiles : {1, 2, 4, 8}) {
      const KernelPlan plan = DirectPlan{.tiles_per_step = tiles};
      for (const Epilogue epilogue : kMadeEpilogues) {
        const MatmulSpec spec{.n = 256, .k = 100, .layout = layout, .epilogue = epilogue};
        if (!serves(spec, plan)) continue;
        expect_exact(spec, plan, {}, {{0, 0}, {4, 4}, {0, 2}, {2, 12}, {14, 16}, {4, 10}});
        if (is_gated(epilogue)) continue;
        expect_exact(spec, plan, {}, {{0, 1}, {3, 4}, {1, 8}, {15, 16}, {5, 16}});
      }
    }
  }
}

// A register read before it is written holds a pattern then, not a lucky zero.
TEST_P(LutMatmul, PoisonedRegisters) {
  settings_.poison = true;
  for (const LayoutId layout : kWordLayouts)
    for (const Epilogue epilogue : kMadeEpilogues)
      expect_exact({.n = 96, .k = 48, .layout = layout, .epilogue = epilogue});
}

INSTANTIATE_TEST_SUITE_P(Tiers, LutMatmul, testing::Values(Isa::kAvx2, Isa::kAvx512Vnni),
                         [](const auto& instance) {
                           return std::string(isa_name(instance.param));
                         });

// ---- instructions

// Keeps the bytes of the kernel published last.
class CodeRecorder final : public JitObserver {
 public:
  void on_publish(const PublishedCode& published) override {
    code.assign(published.code.begin(), published.code.end());
  }
  std::vector<uint8_t> code;
};

// How often each mnemonic occurs in the first backward loop: an iteration over K.
std::map<std::string, int> hot_loop(const Generator& generator, const MatmulSpec& spec,
                                    const KernelPlan& plan, Isa isa) {
  CodeRecorder recorder;
  const KernelRequest request{spec, plan, target_for(isa)};
  EXPECT_TRUE(
      generator.build(request, kernel_name(request, generator), {.observer = &recorder}).ok());
  ZydisDecoder decoder;
  ZydisDecoderInit(&decoder, ZYDIS_MACHINE_MODE_LONG_64, ZYDIS_STACK_WIDTH_64);
  std::vector<std::pair<size_t, std::string>> seen;
  for (size_t offset = 0; offset < recorder.code.size();) {
    ZydisDecodedInstruction decoded;
    ZydisDecodedOperand operands[ZYDIS_MAX_OPERAND_COUNT];
    if (!ZYAN_SUCCESS(ZydisDecoderDecodeFull(&decoder, recorder.code.data() + offset,
                                             recorder.code.size() - offset, &decoded, operands)))
      break;
    seen.emplace_back(offset, ZydisMnemonicGetString(decoded.mnemonic));
    offset += decoded.length;
    if (decoded.mnemonic != ZYDIS_MNEMONIC_JNZ) continue;
    const int64_t target = static_cast<int64_t>(offset) + operands[0].imm.value.s;
    std::map<std::string, int> count;
    for (const auto& [at, mnemonic] : seen)
      if (static_cast<int64_t>(at) >= target) ++count[mnemonic];
    return count;
  }
  ADD_FAILURE() << "no loop";
  return {};
}

constexpr DirectPlan kOneBlock{.tiles_per_step = 2, .k_unroll = 1};

TEST(LutAvx512, OperationsPerBlockOfTwoTiles) {
  const auto generator = make_x64_lut_avx512();
  const auto loop = [&](LayoutId layout) {
    return hot_loop(*generator, {.n = 64, .k = 5760, .layout = layout}, kOneBlock,
                    Isa::kAvx512Vnni);
  };
  auto tl1 = loop(LayoutId::kTl1);
  EXPECT_EQ(tl1["vpermw"], 8);
  EXPECT_EQ(tl1["vpaddw"], 8);
  EXPECT_EQ(tl1["vpsrlw"], 6);
  EXPECT_EQ(tl1["vbroadcasti64x4"], 8);
  auto tl2 = loop(LayoutId::kTl2);
  EXPECT_EQ(tl2["vpermw"], 12);
  EXPECT_EQ(tl2["vpaddw"], 12);
  EXPECT_EQ(tl2["vpsrlw"], 8);
  EXPECT_EQ(tl2["vpandd"] + tl2["vpandq"], 0) << "vpermw drops the bits above a field";
  auto b3 = loop(LayoutId::kB3);
  EXPECT_EQ(b3["vpermw"], 8);
  EXPECT_EQ(b3["vpaddw"], 8);
  EXPECT_EQ(b3["vpmulhuw"], 8);
  EXPECT_EQ(b3["vpmullw"], 6);
  for (auto& counts : {&tl1, &tl2, &b3}) EXPECT_EQ((*counts)["vinserti64x4"], (*counts)["vmovdqu"]);
}

TEST(LutAvx512, FourTilesShareTheTables) {
  auto count = hot_loop(*make_x64_lut_avx512(), {.n = 64, .k = 5760, .layout = LayoutId::kTl2},
                        DirectPlan{.tiles_per_step = 4, .k_unroll = 1}, Isa::kAvx512Vnni);
  EXPECT_EQ(count["vpermw"], 24);
  EXPECT_EQ(count["vmovdqu64"], 12);
}

// A block of tl2 is two lines of each tile.
TEST(LutAvx512, AsksForALineAgainEveryTwoKibibytes) {
  const auto prefetches = [](int prefetch_bytes) {
    DirectPlan plan = kOneBlock;
    plan.prefetch_bytes = prefetch_bytes;
    return hot_loop(*make_x64_lut_avx512(), {.n = 64, .k = 5760, .layout = LayoutId::kTl2}, plan,
                    Isa::kAvx512Vnni)["prefetcht0"];
  };
  EXPECT_EQ(prefetches(0), 0);
  EXPECT_EQ(prefetches(1024), 4);
  EXPECT_EQ(prefetches(2048), 2 * 4);
  EXPECT_EQ(prefetches(20480), 11 * 4);
}

TEST(LutAvx2, OperationsPerBlockOfTwoTiles) {
  const auto generator = make_x64_lut_avx2();
  const auto loop = [&](LayoutId layout) {
    return hot_loop(*generator, {.n = 64, .k = 5760, .layout = layout}, kOneBlock, Isa::kAvx2);
  };
  auto tl1 = loop(LayoutId::kTl1);
  EXPECT_EQ(tl1["vpshufb"], 2 * 16);
  EXPECT_EQ(tl1["vbroadcasti128"], 16) << "both tiles use a table";
  EXPECT_EQ(tl1["vpsignw"], 0);
  auto tl2 = loop(LayoutId::kTl2);
  EXPECT_EQ(tl2["vpshufb"], 2 * 24);
  EXPECT_EQ(tl2["vpsignw"], 24);
  auto b3 = loop(LayoutId::kB3);
  EXPECT_EQ(b3["vpshufb"], 2 * 12) << "the lone trits take none";
  EXPECT_EQ(b3["vpsignw"], 16);
}

// By the order of the list alone; what a PlanSource prefers goes before it.
TEST(Lut, FirstInTheListForOneToken) {
  const auto first_choice = [](LayoutId layout, Isa isa) -> std::string {
    for (const auto& generator : KernelBuilder::generators()) {
      const MatmulSpec spec{.n = 32, .k = 64, .layout = layout};
      if (generator->accepts({spec, {}, target_for(isa)}).ok())
        return std::string(generator->name());
    }
    return {};
  };
  for (const LayoutId layout : kWordLayouts) {
    EXPECT_EQ(first_choice(layout, Isa::kAmx), "x64_matmul_words_avx512vnni");
    EXPECT_EQ(first_choice(layout, Isa::kAvx512Vnni), "x64_matmul_words_avx512vnni");
    EXPECT_EQ(first_choice(layout, Isa::kAvxVnni), "x64_matmul_words_avxvnni");
  }
  EXPECT_EQ(first_choice(LayoutId::kB3, Isa::kAvx2), "x64_lut_avx2");
  EXPECT_EQ(first_choice(LayoutId::kTl1, Isa::kAvx2), "x64_matmul_words_avx2");
  EXPECT_EQ(first_choice(LayoutId::kTl2, Isa::kAvx2), "x64_matmul_words_avx2");
}

TEST(Lut, RefusalsNameTheNumbers) {
  const auto avx2 = make_x64_lut_avx2();
  const MatmulSpec spec{.n = 32, .k = 64, .layout = LayoutId::kTl2};
  const auto refusal = [&](const MatmulSpec& s, const KernelPlan& plan) {
    return avx2->accepts({s, plan, target_for(Isa::kAvx2)}).message();
  };
  EXPECT_EQ(refusal({.n = 32, .k = 64}, {}), "reads layout tl1, tl2, b3, the matrix is i2s");
  EXPECT_EQ(refusal({.n = 32, .k = 64, .m = 2, .layout = LayoutId::kTl2}, {}),
            "is made for m = 1, not for m = 2");
  EXPECT_EQ(refusal(spec, DirectPlan{.tiles_per_step = 4}),
            "tiles_per_step = 4, 16 ymm registers are for 2");
}

}  // namespace
}  // namespace bitnetc
