// What the x86-64 matmul generators emit and what they refuse. The code of every tier is generated
// and disassembled on any x86-64 machine; running it is
// tests/conformance/matmul_conformance_test.cpp.
#include <Zydis/Zydis.h>
#include <gtest/gtest.h>

#include <map>
#include <optional>
#include <set>

#include "codegen/matmul_plans.h"
#include "codegen/x64/x64_generators.h"
#include "runtime/jit_observer.h"

namespace bitnetc {
namespace {

// Keeps the bytes of the kernel published last.
class CodeRecorder final : public JitObserver {
 public:
  void on_publish(const PublishedCode& published) override {
    code.assign(published.code.begin(), published.code.end());
    spec_text = published.spec_text;
    plan_text = published.plan_text;
  }
  std::vector<uint8_t> code;
  std::string spec_text, plan_text;
};

struct Instruction {
  size_t offset;
  ZydisDecodedInstruction decoded;
  ZydisDecodedOperand operands[ZYDIS_MAX_OPERAND_COUNT];

  bool is_store_to_stack() const {
    return operands[0].type == ZYDIS_OPERAND_TYPE_MEMORY &&
           operands[0].mem.base == ZYDIS_REGISTER_RSP &&
           (operands[0].actions & ZYDIS_OPERAND_ACTION_MASK_WRITE) != 0;
  }
};

// Up to the ret; constants may follow.
std::vector<Instruction> disassemble(const std::vector<uint8_t>& code) {
  ZydisDecoder decoder;
  ZydisDecoderInit(&decoder, ZYDIS_MACHINE_MODE_LONG_64, ZYDIS_STACK_WIDTH_64);
  std::vector<Instruction> instructions;
  for (size_t offset = 0; offset < code.size();) {
    Instruction next{.offset = offset, .decoded = {}, .operands = {}};
    const ZyanStatus status = ZydisDecoderDecodeFull(
        &decoder, code.data() + offset, code.size() - offset, &next.decoded, next.operands);
    EXPECT_TRUE(ZYAN_SUCCESS(status)) << "undecodable byte at " << offset;
    if (!ZYAN_SUCCESS(status)) break;
    offset += next.decoded.length;
    instructions.push_back(next);
    if (next.decoded.mnemonic == ZYDIS_MNEMONIC_RET) break;
  }
  return instructions;
}

std::vector<Instruction> generate(const Generator& generator, const MatmulSpec& spec,
                                  const KernelPlan& plan) {
  CodeRecorder recorder;
  const Isa isa = *parse_isa(generator.suffix());
  const KernelRequest request{spec, plan, target_for(isa)};
  const Status accepts = generator.accepts(request);
  EXPECT_TRUE(accepts.ok()) << accepts.message();
  const auto kernel =
      generator.build(request, kernel_name(request, generator), {.observer = &recorder});
  EXPECT_TRUE(kernel.ok()) << kernel.status().message();
  return disassemble(recorder.code);
}

// How often each mnemonic occurs in the first backward loop: the loop over K.
struct HotLoop {
  std::map<std::string, int> count;
  int stack_stores = 0;
  int broadcasting_operands = 0;  // of the EVEX kind

  int of(const std::string& mnemonic) const {
    const auto found = count.find(mnemonic);
    return found == count.end() ? 0 : found->second;
  }
};

HotLoop hot_loop(const std::vector<Instruction>& instructions) {
  for (const Instruction& branch : instructions) {
    if (branch.decoded.mnemonic != ZYDIS_MNEMONIC_JNZ) continue;
    const int64_t target = static_cast<int64_t>(branch.offset + branch.decoded.length) +
                           branch.operands[0].imm.value.s;
    HotLoop loop;
    for (const Instruction& instruction : instructions) {
      const int64_t offset = static_cast<int64_t>(instruction.offset);
      if (offset < target || instruction.offset > branch.offset) continue;
      ++loop.count[ZydisMnemonicGetString(instruction.decoded.mnemonic)];
      loop.stack_stores += instruction.is_store_to_stack() ? 1 : 0;
      loop.broadcasting_operands +=
          instruction.decoded.avx.broadcast.mode != ZYDIS_BROADCAST_MODE_INVALID &&
                  !instruction.decoded.avx.broadcast.is_static
              ? 1
              : 0;
    }
    return loop;
  }
  ADD_FAILURE() << "no loop";
  return {};
}

// K = 16 blocks per iteration x 16 iterations at the unroll used below.
constexpr int kUnroll = 8;
constexpr int64_t kColumns = 16 * kUnroll * 16;

TEST(MatmulI2sAvx2, GemvSpends13OperationsPer128Weights) {
  const HotLoop loop = hot_loop(generate(*make_x64_matmul_i2s_avx2(), {.n = 64, .k = kColumns},
                                         DirectPlan{.k_unroll = kUnroll}));
  const int vectors = 2 * kUnroll;  // of 32 bytes, 128 weights
  EXPECT_EQ(loop.of("vpand"), 4 * vectors);
  EXPECT_EQ(loop.of("vpmaddubsw"), 4 * vectors);
  EXPECT_EQ(loop.of("vpsrlw"), vectors);
  // The first products of a run replace the accumulators (2 halves x 2 scales) instead of adding.
  EXPECT_EQ(loop.of("vpaddw"), 4 * vectors - 4);
  EXPECT_EQ(loop.of("vpmaddwd"), 4);
  EXPECT_EQ(loop.of("vpaddd"), 4);
  EXPECT_EQ(loop.of("vpbroadcastd"), 4 * kUnroll)
      << "each broadcast serves both halves of the tile";
  EXPECT_EQ(loop.stack_stores, 2) << "only the two widened sums go to memory";
}

TEST(MatmulI2sAvx2, TwoTilesShareEachBroadcast) {
  const HotLoop loop = hot_loop(generate(*make_x64_matmul_i2s_avx2(), {.n = 64, .k = kColumns},
                                         DirectPlan{.tiles_per_step = 2, .k_unroll = kUnroll}));
  EXPECT_EQ(loop.of("vpmaddubsw"), 16 * kUnroll);
  EXPECT_EQ(loop.of("vpbroadcastd"), 4 * kUnroll);
}

TEST(MatmulI2sAvx2, SmallMDecodesOnceForAllTokens) {
  for (int m = 2; m <= kMaxSmallM; ++m) {
    const HotLoop loop =
        hot_loop(generate(*make_x64_matmul_i2s_avx2(), {.n = 64, .k = kColumns, .m = m},
                          DirectPlan{.k_unroll = kUnroll}));
    const int vectors = (m <= 4 ? 2 : 1) * kUnroll;
    EXPECT_EQ(loop.of("vpand"), 4 * vectors) << m;
    EXPECT_EQ(loop.of("vpmaddubsw"), 4 * vectors * m) << m;
  }
}

TEST(MatmulI2sAvxVnni, GemvSpends8OperationsPer128Weights) {
  const HotLoop loop = hot_loop(generate(*make_x64_matmul_i2s_avxvnni(), {.n = 64, .k = kColumns},
                                         DirectPlan{.k_unroll = kUnroll}));
  const int vectors = 2 * kUnroll;
  EXPECT_EQ(loop.of("vpand"), 4 * vectors);
  EXPECT_EQ(loop.of("vpdpbusd"), 4 * vectors);
  EXPECT_EQ(loop.of("vpsrlw"), 0);
  EXPECT_EQ(loop.of("vpaddd"), 0);
  EXPECT_EQ(loop.of("vpbroadcastd"), 4 * kUnroll);
  EXPECT_EQ(loop.stack_stores, 0) << "no spills";
}

TEST(MatmulI2sAvx512Vnni, GemvSpends8OperationsPer256Weights) {
  const HotLoop loop =
      hot_loop(generate(*make_x64_matmul_i2s_avx512vnni(), {.n = 64, .k = kColumns},
                        DirectPlan{.k_unroll = kUnroll}));
  EXPECT_EQ(loop.of("vpandd"), 4 * kUnroll);
  EXPECT_EQ(loop.of("vpdpbusd"), 4 * kUnroll);
  EXPECT_EQ(loop.of("vpsrlw"), 0);
  EXPECT_EQ(loop.of("vpbroadcastd"), 0) << "a lone tile takes activations by embedded broadcast";
  EXPECT_EQ(loop.broadcasting_operands, 4 * kUnroll);
  EXPECT_EQ(loop.stack_stores, 0) << "no spills";
}

TEST(MatmulI2sAvx512Vnni, FourTilesShareEachBroadcast) {
  const HotLoop loop =
      hot_loop(generate(*make_x64_matmul_i2s_avx512vnni(), {.n = 64, .k = kColumns},
                        DirectPlan{.tiles_per_step = 4, .k_unroll = kUnroll}));
  EXPECT_EQ(loop.of("vpandd"), 16 * kUnroll);
  EXPECT_EQ(loop.of("vpdpbusd"), 16 * kUnroll);
  EXPECT_EQ(loop.of("vpbroadcastd"), 4 * kUnroll);
  EXPECT_EQ(loop.broadcasting_operands, 0);
}

TEST(MatmulI2sVnni, SmallMDecodesOnceForAllTokens) {
  for (int m = 2; m <= kMaxSmallM; ++m) {
    const MatmulSpec spec{.n = 64, .k = kColumns, .m = m};
    const HotLoop ymm =
        hot_loop(generate(*make_x64_matmul_i2s_avxvnni(), spec, DirectPlan{.k_unroll = kUnroll}));
    const int vectors = (m <= 5 ? 2 : 1) * kUnroll;
    EXPECT_EQ(ymm.of("vpand"), 4 * vectors) << m;
    EXPECT_EQ(ymm.of("vpdpbusd"), 4 * vectors * m) << m;
    EXPECT_EQ(ymm.stack_stores, 0) << m;
    const HotLoop zmm = hot_loop(
        generate(*make_x64_matmul_i2s_avx512vnni(), spec, DirectPlan{.k_unroll = kUnroll}));
    EXPECT_EQ(zmm.of("vpandd"), 4 * kUnroll) << m;
    EXPECT_EQ(zmm.of("vpdpbusd"), 4 * kUnroll * m) << m;
    EXPECT_EQ(zmm.stack_stores, 0) << m;
  }
}

// ---- every kernel of every tier

std::vector<std::unique_ptr<Generator>> all_generators() {
  std::vector<std::unique_ptr<Generator>> generators;
  for (auto* make :
       {make_x64_matmul_i2s_avx2, make_x64_matmul_i2s_avxvnni, make_x64_matmul_i2s_avx512vnni}) {
    generators.push_back(make());
  }
  return generators;
}

// Instruction sets beyond x86-64-v1 that each tier may use, as Zydis names them.
const std::set<std::string>& allowed_sets(Isa isa) {
  static const std::set<std::string> avx2 = {"AVX", "AVX2", "FMA"};
  static const std::set<std::string> avx_vnni = {"AVX", "AVX2", "FMA", "AVX_VNNI"};
  static const std::set<std::string> avx512_vnni = {
      "AVX",          "AVX2",         "AVX512F_512",    "AVX512F_128N",
      "AVX512BW_512", "AVX512DQ_512", "AVX512_VNNI_512"};
  return isa == Isa::kAvx2 ? avx2 : isa == Isa::kAvxVnni ? avx_vnni : avx512_vnni;
}

void expect_legal(const std::vector<Instruction>& instructions, Isa isa) {
  static const std::set<std::string> base = {
      "I86", "LONGMODE", "PREFETCH_NOP", "SSE_PREFETCH", "I386", "FAT_NOP", "PPRO", "I186", "SSE"};
  ASSERT_FALSE(instructions.empty());
  EXPECT_EQ(instructions.back().decoded.mnemonic, ZYDIS_MNEMONIC_RET);
  for (const Instruction& instruction : instructions) {
    const std::string set = ZydisISASetGetString(instruction.decoded.meta.isa_set);
    EXPECT_TRUE(base.contains(set) || allowed_sets(isa).contains(set))
        << ZydisMnemonicGetString(instruction.decoded.mnemonic) << " is of " << set;
    if (isa != Isa::kAvx512Vnni) {
      EXPECT_NE(instruction.decoded.encoding, ZYDIS_INSTRUCTION_ENCODING_EVEX);
    }
  }
}

TEST(MatmulI2s, EveryKernelIsLegalOnItsTier) {
  int kernels = 0;
  for (const auto& generator : all_generators()) {
    const Isa isa = *parse_isa(generator->suffix());
    for (const Epilogue epilogue : kEpilogues) {
      for (int m = 1; m <= kMaxSmallM; ++m) {
        for (const int tiles : {1, 2, 4}) {
          const MatmulSpec spec{.n = 128, .k = 500, .m = m, .epilogue = epilogue};
          const KernelPlan plan =
              DirectPlan{.tiles_per_step = tiles, .k_unroll = 3, .prefetch_bytes = 512};
          if (!generator->accepts({spec, plan, target_for(isa)}).ok()) continue;
          expect_legal(generate(*generator, spec, plan), isa);
          ++kernels;
        }
      }
    }
  }
  EXPECT_GT(kernels, 100);
}

TEST(MatmulI2s, PublishedWithSpecAndPlan) {
  CodeRecorder recorder;
  const KernelRequest request{MatmulSpec{.n = 32, .k = 48},
                              DirectPlan{.tiles_per_step = 2, .k_unroll = 3},
                              target_for(Isa::kAvx2)};
  ASSERT_TRUE(make_x64_matmul_i2s_avx2()->build(request, "name", {.observer = &recorder}).ok());
  EXPECT_EQ(recorder.spec_text, "matmul_i8_i2s_f32_n32_k48_m1_scale");
  EXPECT_EQ(recorder.plan_text, "t2u3p0");
}

TEST(MatmulI2s, PrefetchReachesTheDistanceAsked) {
  for (const auto& generator : all_generators()) {
    const int m =
        generator->accepts({MatmulSpec{.n = 16, .k = 16}, {}, target_for(Isa::kAvx512Vnni)}).ok()
            ? 1
            : 2;
    const MatmulSpec spec{.n = 64, .k = kColumns, .m = m};
    const DirectPlan without{.k_unroll = kUnroll};
    DirectPlan with = without;
    with.prefetch_bytes = 2048;
    EXPECT_EQ(hot_loop(generate(*generator, spec, without)).of("prefetcht0"), 0)
        << generator->name();
    const std::vector<Instruction> code = generate(*generator, spec, with);
    EXPECT_EQ(hot_loop(code).of("prefetcht0"), kUnroll) << generator->name();
    std::optional<int64_t> first;
    for (const Instruction& instruction : code)
      if (!first && instruction.decoded.mnemonic == ZYDIS_MNEMONIC_PREFETCHT0)
        first = instruction.operands[0].mem.disp.value;
    EXPECT_EQ(first, 2048) << generator->name();
  }
}

// ---- refusals

std::string refusal(const Generator& generator, const MatmulSpec& spec, const KernelPlan& plan,
                    Isa isa) {
  const Status status = generator.accepts({spec, plan, target_for(isa)});
  EXPECT_EQ(status.code(), StatusCode::kUnsupported);
  return status.message();
}

TEST(MatmulI2s, RefusalsNameTheNumbers) {
  const auto avx2 = make_x64_matmul_i2s_avx2(), avx_vnni = make_x64_matmul_i2s_avxvnni();
  const auto avx512 = make_x64_matmul_i2s_avx512vnni();
  const MatmulSpec one{.n = 32, .k = 64}, three{.n = 32, .k = 64, .m = 3};
  const Isa best = Isa::kAvx512Vnni;
  EXPECT_EQ(refusal(*avx512, one, {}, Isa::kAvx2), "needs avx512vnni, target is avx2");
  EXPECT_EQ(refusal(*avx2, one, DirectPlan{.tiles_per_step = 3}, best),
            "tiles_per_step = 3, expected 1, 2, 4 or 8");
  EXPECT_EQ(refusal(*avx2, one, DirectPlan{.tiles_per_step = 4}, best),
            "tiles_per_step = 4 with m = 1: 16 ymm registers hold the accumulators of 2");
  EXPECT_EQ(refusal(*avx_vnni, three, DirectPlan{.tiles_per_step = 4}, best),
            "tiles_per_step = 4 with m = 3 takes 22 vector registers, there are 16");
  EXPECT_EQ(refusal(*avx2, one, DirectPlan{.k_unroll = 17}, best), "k_unroll = 17, expected 1..16");
  EXPECT_EQ(refusal(*avx2, one, DirectPlan{.prefetch_bytes = -1}, best),
            "prefetch_bytes = -1, expected 0..262144");
  EXPECT_EQ(refusal(*avx2, {.n = 16, .k = 1 << 21}, {}, best),
            "k = 2097152: an int32 sum may overflow from 2097152 on");
  EXPECT_EQ(refusal(*avx512, {.n = 16, .k = 1 << 19}, {}, best),
            "k = 524288: an int32 sum may overflow from 524288 on");
  const Status wrong_op = avx2->accepts({RmsNormSpec{.k = 64}, {}, target_for(best)});
  EXPECT_EQ(wrong_op.message(), "makes matmul kernels only");
}

}  // namespace
}  // namespace bitnetc
