// The panel kernels, which take any number of tokens: bit by bit against the reference over tokens,
// ragged shapes, epilogues, plans and guard pages; what their inner loops are made of; what they
// refuse. Tiers this CPU lacks are generated and disassembled only.
#include <Zydis/Zydis.h>
#include <gtest/gtest.h>

#include <map>
#include <set>

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

constexpr LayoutId kAllLayouts[] = {LayoutId::kI2S, LayoutId::kTl1, LayoutId::kTl2, LayoutId::kB3};

struct Tier {
  Isa isa;
  std::unique_ptr<Generator> (*make)();
};
constexpr Tier kTiers[] = {{Isa::kAvx2, make_x64_panel_avx2},
                           {Isa::kAvxVnni, make_x64_panel_avxvnni},
                           {Isa::kAvx512Vnni, make_x64_panel_avx512vnni},
                           {Isa::kAmx, make_x64_panel_amx}};

Target target_of_tier(Isa isa) {
  Target target = target_for(isa);
  target.features.set(Feature::kAvx512Vbmi);
  return target;
}

class PanelMatmul : public testing::TestWithParam<Tier> {
 protected:
  bool runs_here() const { return machine_target().supports(GetParam().isa); }

  bool serves(const MatmulSpec& spec, const KernelPlan& plan) const {
    return generator_->accepts({spec, plan, target_of_tier(GetParam().isa)}).ok();
  }

  Kernel build(const MatmulSpec& spec, const KernelPlan& plan) const {
    const KernelRequest request{spec, plan, target_of_tier(GetParam().isa)};
    const Status accepts = generator_->accepts(request);
    EXPECT_TRUE(accepts.ok()) << accepts.message();
    auto kernel = generator_->build(request, kernel_name(request, *generator_), settings_);
    EXPECT_TRUE(kernel.ok()) << kernel.status().message();
    return kernel.ok() ? *kernel : Kernel();
  }

  void expect_exact(const Kernel& kernel, const MatmulSpec& spec,
                    const test::ProblemOptions& options) {
    if (!runs_here()) return;
    SCOPED_TRACE(fmt::format("{} with {} tokens", kernel.name(), options.m));
    MatmulProblem problem(spec, options);
    const int64_t tiles = problem.tiles(), unit = spec.tiles_per_unit();
    for (const auto& [begin, end] : {std::pair{int64_t{0}, tiles}, std::pair{unit, tiles}}) {
      problem.reset_output();
      const MatmulArgs args = problem.args(begin, end);
      ASSERT_EQ(test::call_and_check_abi(kernel.entry(), &args, nullptr), "");
      ASSERT_EQ(problem.check(begin, end), "") << begin << ".." << end;
    }
  }

  void expect_exact(const MatmulSpec& spec, const KernelPlan& plan, std::vector<int64_t> tokens,
                    test::ProblemOptions options = {}) {
    if (!serves(spec, plan)) return;
    const Kernel kernel = build(spec, plan);
    if (!kernel) return;
    for (const int64_t m : tokens) {
      options.m = m;
      expect_exact(kernel, spec, options);
    }
  }

  const std::unique_ptr<Generator> generator_ = GetParam().make();
  BuildSettings settings_;
};

const KernelPlan kFourTiles = DirectPlan{.tiles_per_step = 4};

TEST_P(PanelMatmul, EveryNumberOfTokens) {
  std::vector<int64_t> tokens;
  for (int64_t m = 1; m <= 40; ++m) tokens.push_back(m);
  for (const int64_t m : {64, 100, 255, 256}) tokens.push_back(m);
  for (const LayoutId layout : kAllLayouts)
    for (const int tiles : {1, 2, 4})
      expect_exact({.n = 16 * 7, .k = 300, .m = kAnyM, .layout = layout},
                   DirectPlan{.tiles_per_step = tiles}, tokens);
}

TEST_P(PanelMatmul, RaggedShapesAndEpilogues) {
  for (const LayoutId layout : kAllLayouts)
    for (const int64_t k : {1, 4, 20, 100, 256, 257, 2560})
      for (const int64_t n : {16, 96})
        for (const Epilogue epilogue : kEpilogues)
          for (const Edge edge : {Edge::kEnd, Edge::kBegin})
            if (!is_gated(epilogue) || n % 32 == 0)
              expect_exact({.n = n, .k = k, .m = kAnyM, .layout = layout, .epilogue = epilogue},
                           kFourTiles, {1, 8, 17}, {.edge = edge});
}

TEST_P(PanelMatmul, ExtremeOperands) {
  for (const LayoutId layout : kAllLayouts)
    for (const Weights weights : {Weights::kAllMinus, Weights::kAllZero, Weights::kAllPlus})
      for (const Activations activations :
           {Activations::kAlternating127, Activations::kAll127, Activations::kAllMinus128})
        expect_exact({.n = 80, .k = 6912, .m = kAnyM, .layout = layout}, kFourTiles, {7, 13},
                     {.weights = weights, .activations = activations});
}

TEST_P(PanelMatmul, Plans) {
  for (const LayoutId layout : kAllLayouts)
    for (const int tiles : {1, 2, 4})
      for (const int unroll : {1, 3, 16})
        for (const int block_k : {0, 1, 100, 1024})
          for (const int tokens : {0, 2, 5})
            expect_exact({.n = 80, .k = 430, .m = kAnyM, .layout = layout},
                         PanelPlan{.tiles_per_step = tiles,
                                   .k_unroll = unroll,
                                   .prefetch_bytes = 512,
                                   .block_k = block_k,
                                   .tokens = tokens},
                         {11});
}

TEST_P(PanelMatmul, PoisonedRegisters) {
  settings_.poison = true;
  for (const LayoutId layout : kAllLayouts)
    for (const Epilogue epilogue : kEpilogues)
      expect_exact({.n = 96, .k = 520, .m = kAnyM, .layout = layout, .epilogue = epilogue},
                   kFourTiles, {1, 2, 9});
}

INSTANTIATE_TEST_SUITE_P(Tiers, PanelMatmul, testing::ValuesIn(kTiers), [](const auto& instance) {
  return std::string(isa_name(instance.param.isa));
});

// ---- instructions

class CodeRecorder final : public JitObserver {
 public:
  void on_publish(const PublishedCode& published) override {
    code.assign(published.code.begin(), published.code.end());
  }
  std::vector<uint8_t> code;
};

struct Instruction {
  size_t offset;
  ZydisDecodedInstruction decoded;
  ZydisDecodedOperand operands[ZYDIS_MAX_OPERAND_COUNT];
};

std::vector<Instruction> disassemble(const Generator& generator, const KernelPlan& plan, Isa isa,
                                     LayoutId layout = LayoutId::kI2S) {
  CodeRecorder recorder;
  const KernelRequest request{MatmulSpec{.n = 640, .k = 2560, .m = kAnyM, .layout = layout}, plan,
                              target_of_tier(isa)};
  EXPECT_TRUE(generator.accepts(request).ok());
  EXPECT_TRUE(
      generator.build(request, kernel_name(request, generator), {.observer = &recorder}).ok());
  ZydisDecoder decoder;
  ZydisDecoderInit(&decoder, ZYDIS_MACHINE_MODE_LONG_64, ZYDIS_STACK_WIDTH_64);
  std::vector<Instruction> instructions;
  for (size_t offset = 0; offset < recorder.code.size();) {
    Instruction next{.offset = offset, .decoded = {}, .operands = {}};
    const ZyanStatus status =
        ZydisDecoderDecodeFull(&decoder, recorder.code.data() + offset,
                               recorder.code.size() - offset, &next.decoded, next.operands);
    EXPECT_TRUE(ZYAN_SUCCESS(status)) << "undecodable byte at " << offset;
    if (!ZYAN_SUCCESS(status)) break;
    offset += next.decoded.length;
    instructions.push_back(next);
    if (next.decoded.mnemonic == ZYDIS_MNEMONIC_RET) break;
  }
  return instructions;
}

// Mnemonics of the loop that has most dot products, and what it stores.
struct InnerLoop {
  std::map<std::string, int> count;
  int instructions = 0, stores = 0;

  int of(const std::string& mnemonic) const {
    const auto found = count.find(mnemonic);
    return found == count.end() ? 0 : found->second;
  }
};

InnerLoop loop_between(const std::vector<Instruction>& code, int64_t begin, int64_t end) {
  InnerLoop loop;
  for (const Instruction& instruction : code) {
    const int64_t offset = static_cast<int64_t>(instruction.offset);
    if (offset < begin || offset > end) continue;
    ++loop.instructions;
    ++loop.count[ZydisMnemonicGetString(instruction.decoded.mnemonic)];
    const ZydisDecodedOperand& to = instruction.operands[0];
    if (to.type == ZYDIS_OPERAND_TYPE_MEMORY && (to.actions & ZYDIS_OPERAND_ACTION_MASK_WRITE) != 0)
      ++loop.stores;
  }
  return loop;
}

// Loops of groups end in "jnl", backwards.
InnerLoop inner_loop(const std::vector<Instruction>& code, const std::string& dot) {
  InnerLoop best;
  for (const Instruction& branch : code) {
    if (branch.decoded.mnemonic != ZYDIS_MNEMONIC_JNL) continue;
    const int64_t at = static_cast<int64_t>(branch.offset);
    const int64_t target = at + branch.decoded.length + branch.operands[0].imm.value.s;
    if (target >= at) continue;
    const InnerLoop loop = loop_between(code, target, at);
    if (loop.of(dot) > best.of(dot)) best = loop;
  }
  return best;
}

constexpr int kUnroll = 4;
constexpr int kLoopOverhead = 3;  // the panel moves on, the count goes down, the branch

TEST(PanelMatmulCode, Avx512VnniLoopHasDotProductsAndLoadsOnly) {
  const InnerLoop loop = inner_loop(
      disassemble(*make_x64_panel_avx512vnni(),
                  DirectPlan{.tiles_per_step = 4, .k_unroll = kUnroll}, Isa::kAvx512Vnni),
      "vpdpbusd");
  EXPECT_EQ(loop.of("vpdpbusd"), 24 * kUnroll);
  EXPECT_EQ(loop.of("vmovups"), 4 * kUnroll);
  EXPECT_EQ(loop.of("vpbroadcastd"), 6 * kUnroll);
  EXPECT_EQ(loop.stores, 0) << "no spills";
  EXPECT_EQ(loop.instructions, 34 * kUnroll + kLoopOverhead + 2) << "two bases of x rows";
}

TEST(PanelMatmulCode, AvxVnniLoopHasDotProductsAndLoadsOnly) {
  const InnerLoop loop =
      inner_loop(disassemble(*make_x64_panel_avxvnni(),
                             DirectPlan{.tiles_per_step = 2, .k_unroll = kUnroll}, Isa::kAvxVnni),
                 "vpdpbusd");
  EXPECT_EQ(loop.of("vpdpbusd"), 12 * kUnroll);
  EXPECT_EQ(loop.of("vmovups") + loop.of("vpbroadcastd"), 7 * kUnroll);
  EXPECT_EQ(loop.stores, 0) << "no spills";
}

TEST(PanelMatmulCode, Avx2LoopMultipliesAndAddsOnly) {
  const InnerLoop loop =
      inner_loop(disassemble(*make_x64_panel_avx2(),
                             DirectPlan{.tiles_per_step = 2, .k_unroll = kUnroll}, Isa::kAvx2),
                 "vpmaddubsw");
  EXPECT_EQ(loop.of("vpmaddubsw"), 12 * kUnroll);
  EXPECT_EQ(loop.of("vpaddw"), 12 * kUnroll);
  EXPECT_EQ(loop.of("vpmaddwd"), 0) << "widened once a chunk";
  EXPECT_EQ(loop.of("vmovups") + loop.of("vpbroadcastd"), 8 * kUnroll);
  EXPECT_EQ(loop.stores, 0) << "no spills";
}

TEST(PanelMatmulCode, AmxLoopHasFourProductsForFourLoads) {
  const std::vector<Instruction> code =
      disassemble(*make_x64_panel_amx(), DirectPlan{.tiles_per_step = 2}, Isa::kAmx);
  // The outer loops end in "jnz" too, but hold other tile instructions.
  InnerLoop best;
  for (const Instruction& branch : code) {
    if (branch.decoded.mnemonic != ZYDIS_MNEMONIC_JNZ) continue;
    const int64_t at = static_cast<int64_t>(branch.offset);
    const InnerLoop loop =
        loop_between(code, at + branch.decoded.length + branch.operands[0].imm.value.s, at);
    if (loop.of("tilestored") == 0 && loop.of("tdpbsud") > best.of("tdpbsud")) best = loop;
  }
  EXPECT_EQ(best.of("tdpbsud"), 4);
  EXPECT_EQ(best.of("tileloadd"), 4);
  EXPECT_EQ(best.stores, 0) << "no spills";
  EXPECT_EQ(best.instructions, 8 + 3 + 2) << "x of two batches and the panel move on; the count";
}

TEST(PanelMatmulCode, AmxTilesAreReleasedBeforeTheReturn) {
  const std::vector<Instruction> code =
      disassemble(*make_x64_panel_amx(), DirectPlan{.tiles_per_step = 2}, Isa::kAmx);
  const InnerLoop all = loop_between(code, 0, static_cast<int64_t>(code.back().offset));
  EXPECT_EQ(all.of("tilerelease"), 1);
  bool released = false;
  for (const Instruction& each : code) {
    EXPECT_FALSE(released && each.decoded.meta.category == ZYDIS_CATEGORY_AMX_TILE);
    if (each.decoded.mnemonic == ZYDIS_MNEMONIC_TILERELEASE) released = true;
  }
  EXPECT_TRUE(released);
}

// Instruction sets beyond x86-64-v1 that a tier may use, as Zydis names them.
std::set<std::string> allowed_sets(Isa isa, LayoutId layout) {
  std::set<std::string> sets = {"AVX", "AVX2"};
  if (isa == Isa::kAvxVnni) sets.insert("AVX_VNNI");
  if (isa < Isa::kAvx512Vnni) return sets;
  if (isa == Isa::kAmx) sets.insert({"AMX_TILE", "AMX_INT8"});
  sets.insert({"AVX512F_512", "AVX512F_128N", "AVX512BW_512", "AVX512DQ_512", "AVX512_VNNI_512"});
  if (layout == LayoutId::kTl2 || layout == LayoutId::kB3) sets.insert("AVX512_VBMI_512");
  return sets;
}

// Constants lie behind the last ret.
TEST(PanelMatmulCode, EveryKernelIsLegalOnItsTier) {
  const std::set<std::string> base = {"I86",  "CMOV",         "LONGMODE", "PREFETCH_NOP", "I386",
                                      "I186", "SSE_PREFETCH", "FAT_NOP",  "PPRO",         "SSE"};
  for (const Tier& tier : kTiers) {
    for (const LayoutId layout : kAllLayouts) {
      const std::set<std::string> allowed = allowed_sets(tier.isa, layout);
      int returns = 0;
      for (const Instruction& each :
           disassemble(*tier.make(), DirectPlan{.tiles_per_step = 4, .prefetch_bytes = 512},
                       tier.isa, layout)) {
        const std::string set = ZydisISASetGetString(each.decoded.meta.isa_set);
        EXPECT_TRUE(base.contains(set) || allowed.contains(set))
            << isa_name(tier.isa) << " " << layout_name(layout) << ": "
            << ZydisMnemonicGetString(each.decoded.mnemonic) << " is of " << set;
        returns += each.decoded.mnemonic == ZYDIS_MNEMONIC_RET ? 1 : 0;
      }
      EXPECT_EQ(returns, 1);
    }
  }
}

// ---- refusals

std::string refusal(const Generator& generator, const MatmulSpec& spec, const KernelPlan& plan,
                    const Target& target) {
  const Status status = generator.accepts({spec, plan, target});
  EXPECT_EQ(status.code(), StatusCode::kUnsupported);
  return status.message();
}

TEST(PanelMatmulCode, RefusalsNameTheNumbers) {
  const auto avx2 = make_x64_panel_avx2(), avx512 = make_x64_panel_avx512vnni();
  const Target best = target_of_tier(Isa::kAvx512Vnni);
  const MatmulSpec any{.n = 32, .k = 64, .m = kAnyM};
  EXPECT_EQ(refusal(*avx2, {.n = 32, .k = 64, .m = 3}, {}, best),
            "is made for any m, not for m = 3");
  EXPECT_EQ(refusal(*avx2, any, PanelPlan{.block_k = 2049}, best),
            "block_k = 2049, expected 0..2048");
  EXPECT_EQ(refusal(*avx512, any, PanelPlan{.block_k = -1}, best),
            "block_k = -1, expected 0..2048");
  EXPECT_EQ(refusal(*avx512, any, DirectPlan{.tiles_per_step = 8}, best),
            "tiles_per_step = 8, the scratch is for 4");
  EXPECT_EQ(refusal(*avx512, any, PanelPlan{.tokens = 13}, best), "tokens = 13, expected 0..12");
  Target without_vbmi = best;
  without_vbmi.features.set(Feature::kAvx512Vbmi, false);
  EXPECT_EQ(
      refusal(*avx512, {.n = 32, .k = 64, .m = kAnyM, .layout = LayoutId::kTl2}, {}, without_vbmi),
      "needs AVX512_VBMI for layout tl2, target has none");
  EXPECT_EQ(refusal(*avx512, {.n = 16, .k = 1 << 23, .m = kAnyM}, {}, best),
            "k = 8388608: an int32 sum may overflow from 8388608 on");
}

}  // namespace
}  // namespace bitnetc
