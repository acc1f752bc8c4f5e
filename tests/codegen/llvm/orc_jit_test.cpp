// What holds for every kernel that comes out of ORC, shown on the norm kernels.
#include <Zydis/Zydis.h>
#include <sys/resource.h>

#include <cstdlib>
#include <fstream>
#include <sstream>
#include <thread>

#include "tests/codegen/llvm/llvm_generator.h"
#include "tests/support/norm_problem.h"

namespace bitnetc::test {
namespace {

constexpr NormQuantizeSpec kQuantizeSpec{.k = 100, .eps = 1e-5f};
constexpr RmsNormSpec kRmsSpec{.k = 100, .eps = 1e-5f};

class OrcJitTest : public LlvmTest {
 protected:
  std::vector<uint8_t> code_of(const Generator& generator, const KernelSpec& spec, Isa isa) {
    build(generator, spec, isa, settings_);
    return published_.at(name_of(spec, isa)).code;
  }

  PublishedKernels published_;
  const BuildSettings settings_{.observer = &published_};
};

struct Instruction {
  ZydisDecodedInstruction decoded;
  int vector_bits = 0;  // widest register operand
};

std::vector<Instruction> disassemble(const std::vector<uint8_t>& code) {
  ZydisDecoder decoder;
  ZydisDecoderInit(&decoder, ZYDIS_MACHINE_MODE_LONG_64, ZYDIS_STACK_WIDTH_64);
  std::vector<Instruction> instructions;
  for (size_t at = 0; at < code.size();) {
    Instruction next;
    ZydisDecodedOperand operands[ZYDIS_MAX_OPERAND_COUNT];
    const ZyanStatus status = ZydisDecoderDecodeFull(&decoder, code.data() + at, code.size() - at,
                                                     &next.decoded, operands);
    BITNETC_CHECK(ZYAN_SUCCESS(status), "byte {} of {} does not decode", at, code.size());
    for (int i = 0; i < next.decoded.operand_count; ++i)
      if (operands[i].type == ZYDIS_OPERAND_TYPE_REGISTER)
        next.vector_bits = std::max(next.vector_bits, int{operands[i].size});
    instructions.push_back(next);
    at += next.decoded.length;
  }
  return instructions;
}

// The lowest tier whose machines have the instruction.
Isa tier_of(const Instruction& instruction) {
  switch (instruction.decoded.encoding) {
    case ZYDIS_INSTRUCTION_ENCODING_EVEX: return Isa::kAvx512Vnni;
    case ZYDIS_INSTRUCTION_ENCODING_VEX:
      switch (instruction.decoded.meta.isa_ext) {
        case ZYDIS_ISA_EXT_AVX:
        case ZYDIS_ISA_EXT_AVX2:
        case ZYDIS_ISA_EXT_AVX2GATHER:
        case ZYDIS_ISA_EXT_FMA:
        case ZYDIS_ISA_EXT_F16C: return Isa::kAvx2;
        default: return Isa::kAvx512Vnni;  // BMI, mask registers, VNNI: in no lower tier's promise
      }
    default: break;
  }
  switch (instruction.decoded.meta.isa_ext) {
    case ZYDIS_ISA_EXT_BASE:
    case ZYDIS_ISA_EXT_LONGMODE:
    case ZYDIS_ISA_EXT_SSE:
    case ZYDIS_ISA_EXT_SSE2: return Isa::kScalar;
    default: return Isa::kAvx2;
  }
}

#if defined(__x86_64__)
TEST_F(OrcJitTest, CodeStaysInsideItsTier) {
  const struct {
    Isa isa, highest;
    int vector_bits;
  } cases[] = {{Isa::kAvx2, Isa::kAvx2, 256},
               {Isa::kAvxVnni, Isa::kAvx2, 256},
               {Isa::kAvx512Vnni, Isa::kAvx512Vnni, 512}};
  for (const auto& expected : cases) {
    for (const auto& code : {code_of(*norm_quantize_, kQuantizeSpec, expected.isa),
                             code_of(*rms_norm_, kRmsSpec, expected.isa)}) {
      Isa highest = Isa::kScalar;
      int vector_bits = 0;
      for (const Instruction& instruction : disassemble(code)) {
        highest = std::max(highest, tier_of(instruction));
        vector_bits = std::max(vector_bits, instruction.vector_bits);
      }
      EXPECT_EQ(isa_name(highest), isa_name(expected.highest)) << isa_name(expected.isa);
      EXPECT_EQ(vector_bits, expected.vector_bits) << isa_name(expected.isa);
    }
  }
}

// No libm, no spill: nothing is called and the stack is left alone.
TEST_F(OrcJitTest, CodeNeitherCallsNorSpills) {
  for (const Isa isa : tiers()) {
    for (const int64_t k : {64, 2560, 5460}) {
      SCOPED_TRACE(fmt::format("k = {}, {}", k, isa_name(isa)));
      const NormQuantizeSpec spec{.k = k, .eps = 1e-5f};
      for (const Instruction& instruction : disassemble(code_of(*norm_quantize_, spec, isa))) {
        EXPECT_NE(instruction.decoded.mnemonic, ZYDIS_MNEMONIC_CALL);
        EXPECT_NE(instruction.decoded.mnemonic, ZYDIS_MNEMONIC_PUSH);
        EXPECT_NE(instruction.decoded.mnemonic, ZYDIS_MNEMONIC_SUB)
            << "the only use is a stack frame";
      }
    }
  }
}

// The IR of a tiny kernel, to be read and reviewed like code. BITNETC_BLESS=1 rewrites it.
TEST_F(OrcJitTest, GoldenIr) {
  const NormQuantizeSpec spec{.k = 64, .eps = 1e-5f};
  build(*norm_quantize_, spec, Isa::kAvx2, settings_);
  const auto published = published_.at(name_of(spec, Isa::kAvx2));
  EXPECT_EQ(published.spec_text, spec_name(spec));

  const std::string path = fmt::format("{}/tests/codegen/llvm/golden/{}.ll", BITNETC_SOURCE_DIR,
                                       name_of(spec, Isa::kAvx2));
  if (std::getenv("BITNETC_BLESS") != nullptr) std::ofstream(path) << published.assembly;
  std::ostringstream golden;
  golden << std::ifstream(path).rdbuf();
  EXPECT_EQ(published.assembly, golden.str()) << path << ": BITNETC_BLESS=1 rewrites it";
}
#endif

// LLVM aborts on vectors that its back-end cannot cut up, so every length a rest can have is tried.
TEST_F(OrcJitTest, EveryRestCompilesForEveryTier) {
  for (const Isa isa : tiers()) {
    for (int64_t k = 1; k <= 64; ++k) {
      build(*norm_quantize_, NormQuantizeSpec{.k = k, .eps = 1e-5f}, isa);
      build(*rms_norm_, RmsNormSpec{.k = k, .eps = 1e-5f}, isa);
    }
  }
}

#if defined(__x86_64__)
TEST_F(OrcJitTest, DeclinesX86WithoutFma) {
  const KernelRequest request{
      .spec = kQuantizeSpec, .plan = {}, .target = target_for(Isa::kScalar)};
  const Status accepted = norm_quantize_->accepts(request);
  EXPECT_NE(accepted.message().find("target scalar has no fused multiply-add"), std::string::npos)
      << accepted.message();
}
#endif

// One line of /proc/self/maps.
struct Mapping {
  uintptr_t begin = 0, end = 0;
  std::string permissions, inode;
};

std::vector<Mapping> mappings() {
  std::vector<Mapping> found;
  std::ifstream maps("/proc/self/maps");
  for (std::string line; std::getline(maps, line);) {
    Mapping mapping;
    char dash;
    std::string offset, device;
    std::istringstream(line) >> std::hex >> mapping.begin >> dash >> mapping.end >>
        mapping.permissions >> offset >> device >> mapping.inode;
    found.push_back(mapping);
  }
  BITNETC_CHECK(!found.empty(), "/proc/self/maps is empty");
  return found;
}

const Mapping* find_mapping(const std::vector<Mapping>& all, uintptr_t address) {
  for (const Mapping& mapping : all)
    if (mapping.begin <= address && address < mapping.end) return &mapping;
  return nullptr;
}

TEST_F(OrcJitTest, CodeIsNeverWritable) {
  const Kernel kernel = build(*norm_quantize_, kQuantizeSpec, tiers().front());
  const auto all = mappings();
  const Mapping* code = find_mapping(all, reinterpret_cast<uintptr_t>(kernel.entry()));
  ASSERT_NE(code, nullptr);
  EXPECT_EQ(code->permissions.substr(0, 3), "r-x");
  for (const Mapping& mapping : all) {
    EXPECT_NE(mapping.permissions.substr(0, 3), "rwx");
    EXPECT_FALSE(mapping.inode == code->inode && mapping.permissions[1] == 'w')
        << "a writable view of the code is left";
  }
}

TEST_F(OrcJitTest, DroppedKernelGivesItsCodeBack) {
  Kernel kernel = build(*norm_quantize_, kQuantizeSpec, tiers().front());
  const auto entry = reinterpret_cast<uintptr_t>(kernel.entry());
  const std::string inode = find_mapping(mappings(), entry)->inode;
  kernel = Kernel();
  for (const Mapping& mapping : mappings()) EXPECT_NE(mapping.inode, inode);
}

TEST_F(OrcJitTest, ManyThreadsMayBuildAtOnce) {
  constexpr int kThreads = 8, kBuilds = 5;
  const std::vector<Isa> runnable = runnable_tiers();
  if (runnable.empty()) GTEST_SKIP() << "no tier of LLVM's kernels runs on this CPU";
  std::vector<std::string> differences(kThreads);
  {
    std::vector<std::jthread> threads;
    for (int member = 0; member < kThreads; ++member) {
      threads.emplace_back([&, member] {
        for (int i = 0; i < kBuilds; ++i) {
          const NormQuantizeSpec spec{.k = 64 + 16 * (member % 3), .eps = 1e-5f};
          const Kernel kernel = build(*norm_quantize_, spec, runnable.front());
          differences[member] +=
              compare_norm_quantize(spec, kernel, norm_rows(spec.k).front(), Edge::kEnd);
        }
      });
    }
  }
  for (const std::string& difference : differences) EXPECT_EQ(difference, "");
}

TEST_F(OrcJitTest, RefusedMemoryIsAnErrorWithTheKernelsName) {
  const KernelRequest request{
      .spec = kQuantizeSpec, .plan = {}, .target = target_for(tiers().front())};
  ASSERT_TRUE(norm_quantize_->accepts(request).ok());
  ASSERT_TRUE(norm_quantize_->build(request, "first_kernel", {}).ok());  // opens the module
  // Executable memory is a file, of which this process may open no more for a while.
  rlimit before = {};
  ASSERT_EQ(::getrlimit(RLIMIT_NOFILE, &before), 0);
  const rlimit none = {.rlim_cur = 0, .rlim_max = before.rlim_max};
  ASSERT_EQ(::setrlimit(RLIMIT_NOFILE, &none), 0);
  const auto kernel = norm_quantize_->build(request, "refused_kernel", {});
  ASSERT_EQ(::setrlimit(RLIMIT_NOFILE, &before), 0);

  ASSERT_FALSE(kernel.ok());
  EXPECT_TRUE(kernel.status().message().starts_with("refused_kernel: "))
      << kernel.status().message();
  EXPECT_NE(kernel.status().message().find("executable memory: memfd_create"), std::string::npos)
      << kernel.status().message();

  // A refusal leaves nothing behind that would spoil the next build.
  EXPECT_TRUE(build(*norm_quantize_, kQuantizeSpec, tiers().front()));
}

}  // namespace
}  // namespace bitnetc::test
