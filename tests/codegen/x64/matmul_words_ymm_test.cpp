// The matmuls that decode words into 256-bit registers: sums as far as they ever get, what the
// loops consist of, and what is refused. Shapes, plans and ranges are
// tests/conformance/matmul_conformance_test.cpp.
#include <Zydis/Zydis.h>
#include <gtest/gtest.h>

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
using test::MatmulProblem;
using test::Weights;

constexpr LayoutId kWordLayouts[] = {LayoutId::kTl1, LayoutId::kTl2, LayoutId::kB3};
constexpr int kMostTokens = 4;

class MatmulWords : public testing::TestWithParam<Isa> {
 protected:
  void SetUp() override {
    generator_ =
        GetParam() == Isa::kAvx2 ? make_x64_matmul_words_avx2() : make_x64_matmul_words_avxvnni();
    if (!host_target().supports(GetParam()))
      GTEST_SKIP() << "NOT TESTED: this CPU lacks " << isa_name(GetParam());
  }

  // Where the family takes the request at all.
  void expect_exact(const MatmulSpec& spec, const KernelPlan& plan,
                    const test::ProblemOptions& options = {}) {
    const KernelRequest request{spec, plan, target_for(GetParam())};
    if (!generator_->accepts(request).ok()) return;
    ++kernels_;
    const std::string name = kernel_name(request, *generator_);
    SCOPED_TRACE(name);
    const auto kernel = generator_->build(request, name, settings_);
    ASSERT_TRUE(kernel.ok()) << kernel.status().message();
    MatmulProblem problem(spec, options);
    problem.reset_output();
    const MatmulArgs args = problem.args(0, spec.n / kTileRows);
    ASSERT_EQ(test::call_and_check_abi(kernel->entry(), &args, nullptr), "");
    ASSERT_EQ(problem.check(0, spec.n / kTileRows), "");
  }

  std::unique_ptr<Generator> generator_;
  BuildSettings settings_;
  int kernels_ = 0;
};

// Columns that fill int16 lanes, that end with a remainder, and that end with a cut block.
TEST_P(MatmulWords, ExtremeOperands) {
  for (const LayoutId layout : kWordLayouts) {
    for (const int64_t k : {128, 252, 1000, 2560}) {
      for (const int unroll : {1, 2, 3, 5, 8, 16}) {
        for (int m = 1; m <= kMostTokens; ++m) {
          for (const Activations activations : {Activations::kAll127, Activations::kAllMinus128}) {
            expect_exact({.n = 32, .k = k, .m = m, .layout = layout},
                         DirectPlan{.k_unroll = unroll},
                         {.weights = Weights::kAllPlus, .activations = activations});
          }
        }
      }
    }
  }
  EXPECT_GT(kernels_, 0);
}

// A register read before it is written holds a pattern then, not a lucky zero.
TEST_P(MatmulWords, PoisonedRegisters) {
  settings_.poison = true;
  for (const LayoutId layout : kWordLayouts)
    for (int m = 1; m <= kMostTokens; ++m)
      for (const Epilogue epilogue : {Epilogue::kScale, Epilogue::kResidual, Epilogue::kRelu2Mul})
        expect_exact({.n = 96, .k = 200, .m = m, .layout = layout, .epilogue = epilogue}, {});
  EXPECT_GT(kernels_, 0);
}

INSTANTIATE_TEST_SUITE_P(Tiers, MatmulWords, testing::Values(Isa::kAvx2, Isa::kAvxVnni),
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
std::map<std::string, int> hot_loop(const Generator& generator, const MatmulSpec& spec, Isa isa) {
  CodeRecorder recorder;
  const KernelRequest request{spec, DirectPlan{.k_unroll = 1}, target_for(isa)};
  EXPECT_TRUE(
      generator.build(request, kernel_name(request, generator), {.observer = &recorder}).ok());
  ZydisDecoder decoder;
  ZydisDecoderInit(&decoder, ZYDIS_MACHINE_MODE_LONG_64, ZYDIS_STACK_WIDTH_64);
  std::vector<std::pair<int64_t, std::string>> seen;
  for (size_t offset = 0; offset < recorder.code.size();) {
    ZydisDecodedInstruction decoded;
    ZydisDecodedOperand operands[ZYDIS_MAX_OPERAND_COUNT];
    if (!ZYAN_SUCCESS(ZydisDecoderDecodeFull(&decoder, recorder.code.data() + offset,
                                             recorder.code.size() - offset, &decoded, operands)))
      break;
    const auto at = static_cast<int64_t>(offset);
    seen.emplace_back(at, ZydisMnemonicGetString(decoded.mnemonic));
    offset += decoded.length;
    if (decoded.mnemonic != ZYDIS_MNEMONIC_JNZ) continue;
    const int64_t target = static_cast<int64_t>(offset) + operands[0].imm.value.s;
    if (target > at) continue;
    std::map<std::string, int> count;
    for (const auto& [from, mnemonic] : seen)
      if (from >= target) ++count[mnemonic];
    return count;
  }
  ADD_FAILURE() << "no loop";
  return {};
}

// Without what decoders need again where registers are few.
TEST(MatmulWordsAvxVnni, OperationsPerBlock) {
  const auto generator = make_x64_matmul_words_avxvnni();
  const auto loop = [&](LayoutId layout, int m) {
    return hot_loop(*generator, {.n = 64, .k = 5760, .m = m, .layout = layout}, Isa::kAvxVnni);
  };
  auto tl1 = loop(LayoutId::kTl1, 1);
  EXPECT_EQ(tl1["vpshufb"], 8);
  EXPECT_EQ(tl1["vpand"], 4);
  EXPECT_EQ(tl1["vpsrlw"], 2);
  EXPECT_EQ(tl1["vpunpcklwd"] + tl1["vpunpckhwd"], 2);
  EXPECT_EQ(tl1["vpdpbusd"], 8);
  EXPECT_EQ(tl1["vpbroadcastd"], 4) << "both parts of a group share one";
  EXPECT_EQ(tl1["vpermq"], 0) << "rows come in order once, after the loop";
  auto tl2 = loop(LayoutId::kTl2, 4);
  EXPECT_EQ(tl2["vpshufb"], 24);
  EXPECT_EQ(tl2["vpdpbusd"], 4 * 18);
  EXPECT_EQ(tl2["vpbroadcastd"], 4 * 9);
  auto b3 = loop(LayoutId::kB3, 2);
  EXPECT_EQ(b3["vpmulhuw"] + b3["vpmullw"], 18);
  EXPECT_EQ(b3["vpshufb"], 10);
  EXPECT_EQ(b3["vpdpbusd"], 2 * 10);
}

TEST(MatmulWordsAvx2, OperationsPerBlock) {
  const auto generator = make_x64_matmul_words_avx2();
  for (const int m : {1, 2, 4}) {
    auto tl1 =
        hot_loop(*generator, {.n = 64, .k = 5760, .m = m, .layout = LayoutId::kTl1}, Isa::kAvx2);
    EXPECT_EQ(tl1["vpshufb"], 8);
    EXPECT_EQ(tl1["vpunpcklwd"] + tl1["vpunpckhwd"], 0) << "two columns of all rows at a time";
    EXPECT_EQ(tl1["vpmaddubsw"], 8 * m);
    EXPECT_EQ(tl1["vpbroadcastw"], 8 * m);
    EXPECT_EQ(tl1["vpmovsxwd"], 2 * m) << "where int16 lanes are full";
  }
}

TEST(MatmulWordsRefusals, NameTheNumbers) {
  const auto avx2 = make_x64_matmul_words_avx2(), vnni = make_x64_matmul_words_avxvnni();
  const auto refusal = [](const Generator& generator, const MatmulSpec& spec,
                          const KernelPlan& plan) {
    return generator.accepts({spec, plan, target_for(Isa::kAvxVnni)}).message();
  };
  EXPECT_EQ(refusal(*avx2, {.n = 32, .k = 64, .layout = LayoutId::kB3}, {}),
            "reads layout tl1, tl2, the matrix is b3");
  for (const int m : {3, 4})
    EXPECT_EQ(refusal(*avx2, {.n = 32, .k = 64, .m = m, .layout = LayoutId::kTl2}, {}), "");
  EXPECT_EQ(refusal(*vnni, {.n = 32, .k = 64, .m = 5, .layout = LayoutId::kTl2}, {}),
            "is made for m = 1..4, not for m = 5");
  for (const Generator* each : {avx2.get(), vnni.get()}) {
    EXPECT_EQ(refusal(*each, {.n = 32, .k = 64, .layout = LayoutId::kTl1},
                      DirectPlan{.tiles_per_step = 2}),
              "tiles_per_step = 2, 16 ymm registers are for 1");
  }
}

}  // namespace
}  // namespace bitnetc
