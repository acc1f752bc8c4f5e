// NVRTC: what is wrong with a library is said in one sentence, what it compiles is the same each
// time.
#include "codegen/cuda/nvrtc_compiler.h"

#include <gtest/gtest.h>

#include <thread>

#include "codegen/cuda/device_sources.h"
#include "tests/support/expect_error.h"
#include "tests/support/gpu_kernels.h"
#include "tests/support/model_folder.h"

namespace bitnetc::cuda {
namespace {

using Compiler = std::shared_ptr<const NvrtcCompiler>;

std::string stub_folder(const std::string& name) {
  return std::string(BITNETC_STUB_NVRTC) + "/" + name;
}
std::string stub(const std::string& name) {
  return stub_folder(name) + "/libnvrtc.so.12";
}

constexpr char kRemedy[] =
    ": install the package cuda-nvrtc of CUDA 12 or 13, or set CUDA_HOME to the folder of a CUDA "
    "toolkit";

// ---- opening

TEST(Nvrtc, AWholeLibraryIsOpened) {
  const auto opened = NvrtcCompiler::open(stub("whole"));
  ASSERT_TRUE(opened.ok()) << opened.status().message();
  EXPECT_EQ((*opened)->describe(), "NVRTC 12.4");
  EXPECT_EQ((*opened)->path(), stub("whole"));
  EXPECT_EQ((*opened)->architectures(), (std::vector<int>{75, 80}));
}

TEST(Nvrtc, WhatIsWrongWithALibraryIsSaid) {
  test::TempFolder folder;
  const std::string text = folder.file("libnvrtc.so.12");
  test::write_file(folder.path() / "libnvrtc.so.12", "no library");
  const auto refusal = [](const std::string& path) {
    const Status status = NvrtcCompiler::open(path).status();
    EXPECT_EQ(status.code(), StatusCode::kUnsupported) << status.message();
    EXPECT_TRUE(status.message().ends_with(kRemedy)) << status.message();
    return status.message().substr(0, status.message().size() - (sizeof kRemedy - 1));
  };
  EXPECT_EQ(refusal(stub("old")), stub("old") + ": NVRTC 11.4 is too old, expected 12.0 or newer");
  EXPECT_EQ(refusal(stub("incomplete")),
            stub("incomplete") + ": is no NVRTC, it has no nvrtcGetCUBIN");
  EXPECT_EQ(refusal("libm.so.6").substr(refusal("libm.so.6").find(": ")),
            ": is no NVRTC, it has no nvrtcVersion");
  EXPECT_EQ(refusal(text), "NVRTC cannot be opened, " + text + ": file too short");
  test::expect_error(NvrtcCompiler::open("/absent/libnvrtc.so.12"), StatusCode::kNotFound,
                     {"/absent/libnvrtc.so.12"});
}

TEST(Nvrtc, TheFirstGoodLibraryIsTaken) {
  const std::vector<std::string> none;
  const auto in = [&](std::vector<std::string> folders) { return open_nvrtc(none, folders); };
  const auto found = in({"/absent", stub_folder("old"), stub_folder("whole")});
  ASSERT_TRUE(found.ok()) << found.status().message();
  EXPECT_EQ((*found)->path(), stub("whole"));
  // One that is there and no good is more to know than that others are missing.
  test::expect_error(in({"/absent", stub_folder("old"), stub_folder("incomplete")}),
                     StatusCode::kUnsupported, {"NVRTC 11.4 is too old"});
  const auto missing = in({"/absent", "/gone"});
  EXPECT_EQ(missing.status().code(), StatusCode::kNotFound);
  EXPECT_EQ(missing.status().message(),
            std::string("NVRTC, which compiles kernels for NVIDIA GPUs, is missing (looked for "
                        "libnvrtc.so.13 and libnvrtc.so.12 where the dynamic linker looks and in "
                        "/absent, /gone)") +
                kRemedy);
}

// ---- compiling, with the stubs

TEST(Nvrtc, OptionsKeepTheBits) {
  const auto opened = NvrtcCompiler::open(stub("whole"));
  ASSERT_TRUE(opened.ok());
  const std::vector<std::string> options = (*opened)->options(80).value();
  for (const char* wanted : {"--gpu-architecture=sm_80", "--fmad=false", "--ftz=false",
                             "--prec-div=true", "--prec-sqrt=true"})
    EXPECT_EQ(std::ranges::count(options, wanted), 1) << wanted;
  EXPECT_EQ(std::ranges::count(options, "--no-cache"), 0) << "12.4 does not know it";
}

TEST(Nvrtc, AnUnknownGpuGetsPtxForTheHighestBelow) {
  const Compiler compiler = NvrtcCompiler::open(stub("whole")).value();
  EXPECT_EQ(compiler->options(103)->front(), "--gpu-architecture=compute_80");
  const auto code = compiler->compile("kernel", "", {}, 103);
  ASSERT_TRUE(code.ok()) << code.status().message();
  EXPECT_EQ(code->ptx, "// made by the stub\n");
  EXPECT_EQ(code->cubin, "");
  test::expect_error(compiler->compile("kernel", "", {}, 70), StatusCode::kUnsupported,
                     {"NVRTC 12.4 makes code from sm_75 on, target is sm_70"});
  EXPECT_TRUE(compiler->is_first_time(103));
  EXPECT_FALSE(compiler->is_first_time(103));
}

TEST(Nvrtc, WithoutItsBuiltinsItSaysWhereTheyBelong) {
  const Compiler compiler = NvrtcCompiler::open(stub("without_builtins")).value();
  EXPECT_EQ(compiler->compile("a_kernel", "", {}, 80).status().message(),
            "a_kernel: NVRTC 12.4 cannot open libnvrtc-builtins.so.12.4: install it beside " +
                stub("without_builtins"));
}

TEST(Nvrtc, AFailureNamesTheKernelAndTheLog) {
  const Compiler compiler = NvrtcCompiler::open(stub("failing")).value();
  EXPECT_EQ(compiler->compile("a_kernel", "", {}, 80).status().message(),
            "a_kernel: NVRTC 12.4: NVRTC_ERROR_OF_THE_STUB: ptxas info    : Used 7 registers");
}

// ---- compiling, with the NVRTC of this machine

class NvrtcOfThisMachine : public testing::Test {
 protected:
  void SetUp() override {
    if (!test::nvrtc_is_here()) GTEST_SKIP() << "no NVRTC: nothing was compiled";
    compiler_ = find_nvrtc("").value();
  }

  static constexpr char kSource[] =
      "#include \"codegen/cuda/kernels/prelude.cuh\"\n"
      "extern \"C\" __global__ void scaled(const float* x, float* y) {\n"
      "  y[threadIdx.x] = bitnetc::cuda::mul(x[threadIdx.x], 2.0f);\n}\n";

  Compiler compiler_;
};

TEST_F(NvrtcOfThisMachine, IsFoundOnceAndKnowsTheTestedGpus) {
  EXPECT_EQ(find_nvrtc("").value(), compiler_);
  EXPECT_GE(compiler_->major(), 12);
  for (const int sm : test::kTestedSms)
    EXPECT_TRUE(std::ranges::binary_search(compiler_->architectures(), sm)) << sm;
}

TEST_F(NvrtcOfThisMachine, ErrorsInASourceAreShownWithTheKernelsName) {
  const auto failed = compiler_->compile(
      "bad_kernel", "extern \"C\" __global__ void bad_kernel() {\n  not_there();\n}\n", {}, 90);
  EXPECT_EQ(failed.status().code(), StatusCode::kUnsupported);
  const std::string said = failed.status().message();
  EXPECT_NE(said.find("bad_kernel: NVRTC "), std::string::npos) << said;
  EXPECT_NE(said.find("bad_kernel.cu(2): error: identifier \"not_there\" is undefined"),
            std::string::npos)
      << said;
  EXPECT_EQ(said.find('\n'), std::string::npos) << said;
}

TEST_F(NvrtcOfThisMachine, TheSameSourceGivesTheSameBytes) {
  for (const int sm : {75, 90, 120}) {
    const auto first = compiler_->compile("scaled", kSource, device_sources(), sm);
    ASSERT_TRUE(first.ok()) << first.status().message();
    EXPECT_NE(first->ptx.find("mul.rn.f32"), std::string::npos);
    EXPECT_FALSE(first->cubin.empty());
    EXPECT_GT(first->resources.registers, 0) << first->log;
    EXPECT_EQ(first->resources.spill_bytes, 0);
    const auto second = compiler_->compile("scaled", kSource, device_sources(), sm);
    ASSERT_TRUE(second.ok());
    EXPECT_EQ(first->ptx, second->ptx);
    EXPECT_EQ(first->cubin, second->cubin);
  }
}

// A kernel that needs more registers than its block leaves it.
TEST_F(NvrtcOfThisMachine, SpillsAreCounted) {
  const std::string source =
      "extern \"C\" __global__ void __launch_bounds__(1024, 2) spilling(float* x) {\n"
      "  float kept[96];\n"
      "  for (int i = 0; i < 96; ++i) kept[i] = x[i * 1024 + threadIdx.x];\n"
      "  __syncthreads();\n"
      "  for (int i = 0; i < 96; ++i) x[i * 1024 + threadIdx.x] = kept[95 - i] * kept[i];\n}\n";
  const auto code = compiler_->compile("spilling", source, {}, 90);
  ASSERT_TRUE(code.ok()) << code.status().message();
  EXPECT_GT(code->resources.spill_bytes, 0) << code->log;
  EXPECT_GT(code->resources.stack_bytes, 0) << code->log;
}

TEST_F(NvrtcOfThisMachine, ThreadsCompileAtOnce) {
  std::vector<std::string> cubins(3);
  std::vector<std::thread> threads;
  for (std::string& cubin : cubins)
    threads.emplace_back(
        [&] { cubin = compiler_->compile("scaled", kSource, device_sources(), 90).value().cubin; });
  for (std::thread& each : threads) each.join();
  EXPECT_EQ(cubins[0], cubins[1]);
  EXPECT_EQ(cubins[0], cubins[2]);
}

// What a plain compilation would do to the bits, and ours does not.
TEST_F(NvrtcOfThisMachine, NothingIsFusedFlushedOrApproximated) {
  const std::string source =
      "extern \"C\" __global__ void plain(float* x) {\n"
      "  const float a = x[0] * x[1];\n"
      "  x[2] = a + x[3];\n"
      "  x[4] = x[0] / x[1];\n"
      "  x[5] = sqrtf(x[3]);\n}\n";
  for (const int sm : test::kTestedSms) {
    const std::string ptx = compiler_->compile("plain", source, {}, sm).value().ptx;
    for (const char* wanted : {"mul.rn.f32", "add.rn.f32", "div.rn.f32", "sqrt.rn.f32"})
      EXPECT_NE(ptx.find(wanted), std::string::npos) << wanted << " of sm_" << sm << "\n" << ptx;
    for (const char* unwanted : {"fma", "mad", "ftz", "approx", "full"})
      EXPECT_EQ(ptx.find(unwanted), std::string::npos) << unwanted << " of sm_" << sm;
  }
}

}  // namespace
}  // namespace bitnetc::cuda
