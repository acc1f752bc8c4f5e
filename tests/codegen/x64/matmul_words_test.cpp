// What the kernel of the word layouts for a few tokens emits and what it refuses. Its code is
// generated and disassembled on any x86-64 machine; running it is
// tests/conformance/matmul_conformance_test.cpp.
#include <Zydis/Zydis.h>
#include <gtest/gtest.h>

#include <map>
#include <set>

#include "codegen/matmul_plans.h"
#include "codegen/x64/x64_generators.h"
#include "runtime/jit_observer.h"

namespace bitnetc {
namespace {

constexpr LayoutId kWordLayouts[] = {LayoutId::kTl1, LayoutId::kTl2, LayoutId::kB3};
constexpr Isa kIsa = Isa::kAvx512Vnni;

// Keeps the bytes of the kernel published last.
class CodeRecorder final : public JitObserver {
 public:
  void on_publish(const PublishedCode& published) override {
    code.assign(published.code.begin(), published.code.end());
  }
  std::vector<uint8_t> code;
};

struct HotLoop {
  std::map<std::string, int> count;
  std::set<ZydisRegister> sums;   // that vpdpbusd adds to
  int broadcasting_operands = 0;  // of the EVEX kind
  int stack_stores = 0;
};

void add(HotLoop& loop, const ZydisDecodedInstruction& decoded,
         const ZydisDecodedOperand* operands) {
  ++loop.count[ZydisMnemonicGetString(decoded.mnemonic)];
  if (decoded.mnemonic == ZYDIS_MNEMONIC_VPDPBUSD) loop.sums.insert(operands[0].reg.value);
  if (decoded.avx.broadcast.mode != ZYDIS_BROADCAST_MODE_INVALID &&
      !decoded.avx.broadcast.is_static)
    ++loop.broadcasting_operands;
  if (operands[0].type == ZYDIS_OPERAND_TYPE_MEMORY && operands[0].mem.base == ZYDIS_REGISTER_RSP &&
      (operands[0].actions & ZYDIS_OPERAND_ACTION_MASK_WRITE) != 0)
    ++loop.stack_stores;
}

// The loop over K: the first one. It is of `blocks` blocks.
HotLoop hot_loop(LayoutId layout, int m, const KernelPlan& plan) {
  CodeRecorder recorder;
  const auto generator = make_x64_matmul_words_avx512vnni();
  const KernelRequest request{MatmulSpec{.n = 64, .k = 5760, .m = m, .layout = layout}, plan,
                              target_for(kIsa)};
  const Status accepts = generator->accepts(request);
  EXPECT_TRUE(accepts.ok()) << accepts.message();
  const auto kernel =
      generator->build(request, kernel_name(request, *generator), {.observer = &recorder});
  EXPECT_TRUE(kernel.ok()) << kernel.status().message();

  ZydisDecoder decoder;
  ZydisDecoderInit(&decoder, ZYDIS_MACHINE_MODE_LONG_64, ZYDIS_STACK_WIDTH_64);
  struct Instruction {
    ZydisDecodedInstruction decoded;
    ZydisDecodedOperand operands[ZYDIS_MAX_OPERAND_COUNT];
  };
  std::map<size_t, Instruction> seen;  // by offset
  for (size_t offset = 0; offset < recorder.code.size();) {
    Instruction& next = seen[offset];
    if (!ZYAN_SUCCESS(ZydisDecoderDecodeFull(&decoder, recorder.code.data() + offset,
                                             recorder.code.size() - offset, &next.decoded,
                                             next.operands))) {
      break;
    }
    offset += next.decoded.length;
    if (next.decoded.mnemonic != ZYDIS_MNEMONIC_JNZ) continue;
    HotLoop loop;
    const auto top =
        static_cast<size_t>(static_cast<int64_t>(offset) + next.operands[0].imm.value.s);
    for (auto each = seen.lower_bound(top); each != seen.end(); ++each)
      add(loop, each->second.decoded, each->second.operands);
    return loop;
  }
  ADD_FAILURE() << "no loop";
  return {};
}

int groups_of(LayoutId layout) {
  const WeightLayout matrix{.id = layout, .n = 16, .k = 5760};
  return static_cast<int>(matrix.block_columns()) / kDotGroupColumns;
}

// As the header of the kernel and those of the decoders state. An iteration of k_unroll = 1 is one
// block.
TEST(MatmulWordsAvx512Vnni, APairOfTilesSharesEachBroadcast) {
  const std::map<LayoutId, std::map<std::string, int>> kDecoding = {
      {LayoutId::kTl1, {{"vpermw", 1}, {"vpsrlw", 1}, {"vpandd", 2}, {"vpshufb", 4}}},
      {LayoutId::kTl2, {{"vpsllw", 2}, {"vpsrlw", 2}, {"vpternlogd", 3}, {"vpermb", 12}}},
      {LayoutId::kB3,
       {{"vpmullw", 2},
        {"vpmulhuw", 4},
        {"vpaddw", 2},
        {"vpternlogd", 2},
        {"vpord", 1},
        {"vpermb", 7}}}};
  const auto generator = make_x64_matmul_words_avx512vnni();
  for (const LayoutId layout : kWordLayouts) {
    int operations = 0;
    for (const auto& [mnemonic, count] : kDecoding.at(layout)) operations += count;
    const auto work = generator->work({.n = 64, .k = 5760, .layout = layout}, {}, 1);
    EXPECT_DOUBLE_EQ(work->decode_operations,
                     static_cast<double>(operations) / (groups_of(layout) * kDotGroupColumns * 16))
        << layout_name(layout) << ": the cost model is told what is emitted";
    for (int m = 2; m <= kMaxSmallM; ++m) {
      HotLoop loop = hot_loop(layout, m, DirectPlan{.tiles_per_step = 2, .k_unroll = 1});
      const int groups = groups_of(layout);
      EXPECT_EQ(loop.count["vpdpbusd"], 2 * groups * m) << layout_name(layout) << m;
      EXPECT_EQ(loop.count["vpbroadcastd"], groups * m) << layout_name(layout) << m;
      EXPECT_EQ(loop.broadcasting_operands, 0) << layout_name(layout) << m;
      EXPECT_EQ(loop.stack_stores, 0) << layout_name(layout) << m;
      for (const auto& [mnemonic, count] : kDecoding.at(layout))
        EXPECT_EQ(loop.count[mnemonic], 2 * count) << layout_name(layout) << m << mnemonic;
    }
  }
}

TEST(MatmulWordsAvx512Vnni, ALoneTileBroadcastsFromMemory) {
  for (const LayoutId layout : kWordLayouts) {
    HotLoop loop = hot_loop(layout, 4, DirectPlan{.tiles_per_step = 1, .k_unroll = 1});
    EXPECT_EQ(loop.count["vpbroadcastd"], 0);
    EXPECT_EQ(loop.broadcasting_operands, loop.count["vpdpbusd"]);
    EXPECT_EQ(loop.count["vpdpbusd"], groups_of(layout) * 4);
  }
}

TEST(MatmulWordsAvx512Vnni, FewSumsHaveSeveralAccumulators) {
  const auto sums = [](int m, int tiles) {
    return hot_loop(LayoutId::kTl1, m, DirectPlan{.tiles_per_step = tiles, .k_unroll = 1})
        .sums.size();
  };
  EXPECT_EQ(sums(1, 1), 4U);
  EXPECT_EQ(sums(2, 2), 16U);
  EXPECT_EQ(sums(3, 2), 12U);
  EXPECT_EQ(sums(8, 1), 16U);
  EXPECT_EQ(sums(8, 2), 16U);
}

TEST(MatmulWordsAvx512Vnni, RefusalsNameTheNumbers) {
  const auto generator = make_x64_matmul_words_avx512vnni();
  const auto refusal = [&](const MatmulSpec& spec, const KernelPlan& plan, const Target& target) {
    return generator->accepts({spec, plan, target}).message();
  };
  const Target best = target_for(kIsa);
  Target without_vbmi = best;
  without_vbmi.features.set(Feature::kAvx512Vbmi, false);
  MatmulSpec spec{.n = 32, .k = 80, .m = 5, .layout = LayoutId::kB3};
  EXPECT_EQ(refusal(spec, {}, best), "");
  EXPECT_EQ(refusal(spec, DirectPlan{.tiles_per_step = 4}, best),
            "tiles_per_step = 4 with m = 5: 16 accumulators");
  EXPECT_EQ(refusal(spec, {}, without_vbmi), "needs AVX512_VBMI for layout b3, target has none");
  spec.m = 1;
  EXPECT_EQ(refusal(spec, {}, best), "") << "what is slow on some machine is for the tuner to say";
  spec.layout = LayoutId::kTl1;
  EXPECT_EQ(refusal(spec, {}, without_vbmi), "");
  spec.k = int64_t{1} << 19;
  EXPECT_EQ(refusal(spec, {}, best), "k = 524288: an int32 sum may overflow from 524288 on");
}

}  // namespace
}  // namespace bitnetc
