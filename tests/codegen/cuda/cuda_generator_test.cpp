// CUDA kernels as code: what they are made of, what the compiler counted, what the store keeps.
// That they compute what the reference does is for an emulator or a GPU to say.
#include "codegen/cuda/cuda_generator.h"

#include <gtest/gtest.h>

#include <cstdio>
#include <filesystem>

#include "codegen/cuda/device_sources.h"
#include "codegen/cuda/stored_gpu_code.h"
#include "tests/support/collected_notes.h"
#include "tests/support/expect_error.h"
#include "tests/support/gpu_kernels.h"
#include "tests/support/model_folder.h"

namespace bitnetc::cuda {
namespace {

Program quantize_program(int64_t k) {
  Program program{.file = "norm.cuh",
                  .function = "quantize",
                  .args = "QuantizeArgs",
                  .args_bytes = sizeof(QuantizeArgs),
                  .threads = 64};
  program.constants.add("k", k);
  program.constants.add("padded_k", int64_t{64});
  program.constants.add("find_absmax", true);
  launch_always(program, 3, 128);
  return program;
}

NamedProgram named_quantize(int64_t k) {
  return {.program = quantize_program(k),
          .kernel = "quant_test.k_cuda",
          .spec_text = "quant",
          .plan_text = "",
          .generator = "cuda_test",
          .revision = 3,
          .sm = 90};
}

// ---- sources

TEST(CudaSource, SaysEveryNumberByItsName) {
  Constants constants;
  constants.add("k", int64_t{2560});
  constants.add("offset", int64_t{-1});
  constants.add("large", int64_t{1} << 40);
  constants.add("residual", true);
  constants.add("eps", 1e-5f);
  constants.add("gate", "Gate", "kSilu");
  EXPECT_EQ(constants.text(),
            "  static constexpr uint32_t k = 2560;\n"
            "  static constexpr int64_t offset = -1;\n"
            "  static constexpr int64_t large = 1099511627776;\n"
            "  static constexpr bool residual = true;\n"
            "  static constexpr float eps = 0x1.4f8b58p-17f;\n"
            "  static constexpr Gate gate = Gate::kSilu;\n");
}

TEST(CudaSource, IsAnInstantiation) {
  Program program = quantize_program(60);
  const std::string many = source_of(program, "quant");
  for (const char* part :
       {"#include \"codegen/cuda/kernels/norm.cuh\"", "threads = 64;", "k = 60;",
        "quant(const QuantizeArgs* __restrict__ calls)", "quantize<Constants>(calls[blockIdx.y]);"})
    EXPECT_NE(many.find(part), std::string::npos) << part << "\n" << many;
  program.calls = GpuCode::Calls::kOne;
  const std::string one = source_of(program, "quant");
  for (const char* part :
       {"quant(const __grid_constant__ QuantizeArgs args)", "quantize<Constants>(args);"})
    EXPECT_NE(one.find(part), std::string::npos) << part << "\n" << one;
}

TEST(CudaSource, EntriesAreIdentifiers) {
  EXPECT_EQ(entry_name("normquant_f32_i8_k64_eps1e-05_cuda"), "normquant_f32_i8_k64_eps1e_05_cuda");
  EXPECT_EQ(entry_name("a_scale0.5_cuda"), "a_scale0_5_cuda");
}

// The structs that cross the border are those of the host, read by NVRTC itself.
TEST(CudaSource, ArgsOfTheDeviceHaveTheHostsOffsets) {
  if (!test::nvrtc_is_here()) GTEST_SKIP() << "no NVRTC: nothing was compared";
  std::string source = "#include \"codegen/cuda/kernels/prelude.cuh\"\nnamespace bitnetc {\n";
  const auto check = [&](const char* args, size_t bytes, const char* last, size_t offset) {
    source += fmt::format(
        "static_assert(sizeof({0}) == {1} && __INTADDR__(&(({0}*)0)->{2}) == {3}, \"{0}\");\n",
        args, bytes, last, offset);
  };
  check("MatmulArgs", sizeof(MatmulArgs), "row_absmax", offsetof(MatmulArgs, row_absmax));
  check("NormQuantizeArgs", sizeof(NormQuantizeArgs), "normed", offsetof(NormQuantizeArgs, normed));
  check("QuantizeArgs", sizeof(QuantizeArgs), "sum", offsetof(QuantizeArgs, sum));
  check("RmsNormArgs", sizeof(RmsNormArgs), "residual", offsetof(RmsNormArgs, residual));
  check("HeadNormArgs", sizeof(HeadNormArgs), "weight", offsetof(HeadNormArgs, weight));
  check("GluArgs", sizeof(GluArgs), "y", offsetof(GluArgs, y));
  check("EmbedArgs", sizeof(EmbedArgs), "token", offsetof(EmbedArgs, token));
  check("RopeAppendArgs", sizeof(RopeAppendArgs), "kv_end", offsetof(RopeAppendArgs, kv_end));
  check("AttentionArgs", sizeof(AttentionArgs), "parts", offsetof(AttentionArgs, parts));
  check("HeadArgs", sizeof(HeadArgs), "row_end", offsetof(HeadArgs, row_end));
  source += "}\nextern \"C\" __global__ void nothing() {}\n";
  const auto compiled = find_nvrtc("").value()->compile("offsets", source, device_sources(), 90);
  EXPECT_TRUE(compiled.ok()) << compiled.status().message();
}

// ---- the store

class StoredCudaTest : public testing::Test {
 protected:
  void SetUp() override {
    if (!test::nvrtc_is_here()) GTEST_SKIP() << "no NVRTC: nothing was compiled";
  }
  BuildSettings settings(KernelStore& store) { return {.store = &store, .notes = &notes_}; }
  KernelStoreKey key(int64_t k) const {
    return store_key(named_quantize(k), *find_nvrtc("").value()).value();
  }

  test::TempFolder folder_;
  const std::string cache_ = folder_.file("cache");
  test::CollectedNotes notes_;
};

TEST_F(StoredCudaTest, TheSecondBuildIsTheFirstOneAgain) {
  KernelStore first(cache_, notes_), second(cache_, notes_);
  const Kernel fresh = build_program(named_quantize(60), settings(first)).value();
  const Kernel stored = build_program(named_quantize(60), settings(second)).value();
  EXPECT_EQ(first.hits(), 0);
  EXPECT_EQ(second.hits(), 1);
  const GpuCode& a = *gpu_code(fresh);
  const GpuCode& b = *gpu_code(stored);
  EXPECT_EQ(a.ptx, b.ptx);
  EXPECT_EQ(a.cubin, b.cubin);
  EXPECT_EQ(a.resources.registers, b.resources.registers);
  EXPECT_EQ(a.entry, "quant_test_k_cuda");
  EXPECT_EQ(b.sm, 90);
  EXPECT_NE(a.ptx.find(".entry " + a.entry), std::string::npos);
  const GpuLaunch launch = b.launch(nullptr, b);
  EXPECT_EQ(launch.blocks_x, 3u);
  EXPECT_EQ(launch.threads, 64u);
  EXPECT_EQ(launch.shared_bytes, 128u);
  EXPECT_EQ(notes_.take(), "");
}

TEST_F(StoredCudaTest, TheKeySaysAllThatTheCodeDependsOn) {
  const KernelStoreKey of_60 = key(60);
  EXPECT_EQ(of_60.text(), key(60).text());
  EXPECT_NE(of_60.text(), key(61).text()) << "the source";
  for (const char* part : {"NVRTC ", "--gpu-architecture=sm_90", "--fmad=false"})
    EXPECT_NE(of_60.toolchain.find(part), std::string::npos) << of_60.toolchain;
  NamedProgram other = named_quantize(60);
  other.sm = 80;
  EXPECT_NE(store_key(other, *find_nvrtc("").value())->digest(), of_60.digest());
}

TEST_F(StoredCudaTest, AWrongEntryIsSaidAndReplaced) {
  KernelStore store(cache_, notes_);
  store.put(key(60), std::vector<uint8_t>(100, 1));
  const auto mended = build_program(named_quantize(60), settings(store));
  ASSERT_TRUE(mended.ok()) << mended.status().message();
  EXPECT_NE(notes_.take().find("100 bytes of stored code say"), std::string::npos);
  KernelStore again(cache_, notes_);
  ASSERT_TRUE(build_program(named_quantize(60), settings(again)).ok());
  EXPECT_EQ(again.hits(), 1);
  EXPECT_EQ(notes_.take(), "");
}

TEST_F(StoredCudaTest, AGpuThatNvrtcDoesNotKnowIsNotedOnce) {
  constexpr int kFutureSm = 199;
  KernelStore store(cache_, notes_);
  NamedProgram future = named_quantize(60);
  future.sm = kFutureSm;
  for (int i = 0; i < 2; ++i) {
    const auto built = build_program(future, settings(store));
    ASSERT_TRUE(built.ok()) << built.status().message();
    EXPECT_EQ(gpu_code(*built)->cubin, "");
    EXPECT_EQ(gpu_code(*built)->sm, kFutureSm);
  }
  ASSERT_EQ(notes_.texts().size(), 1u);
  EXPECT_NE(notes_.texts()[0].find("does not know sm_199"), std::string::npos);
}

TEST(StoredGpuCode, IsReadBackOrRefused) {
  const CompiledCode code{.ptx = "ptx text",
                          .cubin = std::string("\0bytes\0", 7),
                          .log = "not kept",
                          .resources = {.registers = 40, .shared_bytes = 16}};
  std::vector<uint8_t> packed = pack_code(code);
  const auto read = unpack_code(packed);
  ASSERT_TRUE(read.ok()) << read.status().message();
  EXPECT_EQ(read->ptx, code.ptx);
  EXPECT_EQ(read->cubin, code.cubin);
  EXPECT_EQ(read->resources.registers, 40);
  EXPECT_EQ(read->resources.shared_bytes, 16);
  for (const size_t length : {size_t{0}, size_t{5}, size_t{24}, packed.size() - 1}) {
    const std::vector<uint8_t> cut(packed.begin(), packed.begin() + static_cast<int64_t>(length));
    test::expect_error(unpack_code(cut), StatusCode::kDataCorrupt, {"of stored code say"});
  }
}

// ---- what kernels need of a GPU

// Shapes of models, and those where a kernel keeps the most in registers.
struct Measured {
  const char* generator;
  const char* spec;
};
constexpr Measured kMeasured[] = {
    {"cuda_norm_quantize", "normquant_f32_i8_k2560_eps1e-05"},
    {"cuda_norm_quantize", "normquant_f32_i8_k6912_eps1e-05"},
    {"cuda_norm_quantize", "normquant_f32_i8_k24576_eps1e-05"},
    {"cuda_quantize", "quant_f32_i8_k6912"},
    {"cuda_quantize", "quant_f32_i8_k24576_absmax"},
    {"cuda_rms_norm", "rmsnorm_f32_k2560_eps1e-05"},
    {"cuda_rms_norm", "rmsnorm_f32_k16384_eps1e-05_residual"},
    {"cuda_head_norm", "headnorm_f32_h20_d128_eps1e-06"},
    {"cuda_glu", "glu_f32_relu2mul_n6912"},
    {"cuda_glu", "glu_f32_silumul_n6912"},
    {"cuda_glu", "glu_f32_gelumul_n6912"},
    {"cuda_embed", "embed_f32_bf16_k2560"},
    {"cuda_rope_append", "ropeappend_f32_q20_kv5_d128"},
    {"cuda_rope_append", "ropeappend_f32_q20_kv5_d128_kvf32"},
    {"cuda_rope_append", "ropeappend_f32_q20_kv5_d128_kvi8"},
};

TEST(CudaResources, NoKernelSpills) {
  if (!test::nvrtc_is_here()) GTEST_SKIP() << "no NVRTC: nothing was compiled";
  std::printf("%-44s", "registers on sm_");
  for (const int sm : test::kTestedSms) std::printf(" %4d", sm);
  std::printf("\n");
  for (const Measured& each : kMeasured) {
    std::printf("%-44s", each.spec);
    for (const int sm : test::kTestedSms) {
      const auto kernel =
          test::build_gpu_kernel(each.generator, parse_spec(each.spec).value(), {}, sm);
      ASSERT_TRUE(kernel.ok()) << kernel.status().message();
      const GpuCode& code = *gpu_code(*kernel);
      std::printf(" %4d", code.resources.registers);
      SCOPED_TRACE(fmt::format("{} for sm_{}", each.spec, sm));
      EXPECT_GT(code.resources.registers, 0);
      EXPECT_LE(code.resources.registers, test::kMostRegisters);
      EXPECT_EQ(code.resources.spill_bytes, 0);
      EXPECT_EQ(code.resources.stack_bytes, 0);
      EXPECT_LE(code.resources.shared_bytes, 48 << 10);
    }
    std::printf("\n");
  }
}

// Contraction, flushing and estimates are other bits (docs/numerics.md), whatever compiles them.
TEST(CudaResources, EveryFloatOperationIsRounded) {
  if (!test::nvrtc_is_here()) GTEST_SKIP() << "no NVRTC: nothing was compiled";
  for (const Measured& each : kMeasured) {
    for (const int sm : {75, 120}) {
      const Kernel kernel =
          test::build_gpu_kernel(each.generator, parse_spec(each.spec).value(), {}, sm).value();
      const std::string& ptx = gpu_code(kernel)->ptx;
      for (const char* unwanted : {"add.f32", "sub.f32", "mul.f32", "mad.f32", "div.full", ".ftz",
                                   ".approx", "fma.rz", "local"})
        EXPECT_EQ(ptx.find(unwanted), std::string::npos)
            << unwanted << " in " << kernel.name() << " for sm_" << sm;
    }
  }
}

TEST(CudaGenerators, RowsThatDoNotFitAreRefused) {
  for (const auto& [generator, spec] :
       {std::pair("cuda_norm_quantize", KernelSpec(NormQuantizeSpec{.k = 24577, .eps = 1e-5f})),
        std::pair("cuda_quantize", KernelSpec(QuantizeSpec{.k = 24577}))})
    EXPECT_EQ(find_generator(generator)->accepts({spec, {}, test::gpu_target(90)}).message(),
              "k = 24577: a block keeps a row of at most 24576");
}

}  // namespace
}  // namespace bitnetc::cuda
