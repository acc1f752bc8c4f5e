// The CUDA matmuls by tensor cores against codegen/reference on the emulated GPU, and that mistakes
// planted in their source are found.
#include <gtest/gtest.h>

#include <string>
#include <vector>

#include "codegen/cuda/cuda_generator.h"
#include "codegen/cuda/device_sources.h"
#include "codegen/cuda/nvrtc_compiler.h"
#include "runtime/gpu_emulator.h"
#include "tests/support/gpu_kernels.h"

namespace bitnetc {
namespace {

constexpr const char* kGenerator = "cuda_matmul_mma";

// Ends of K inside each half of the 128 columns that a warp takes at a time, and behind them.
std::vector<MatmulSpec> specs_by_mma() {
  std::vector<MatmulSpec> specs;
  for (const int64_t k : {1, 63, 64, 65, 128, 130, 1000})
    for (const int m : {5, kAnyM}) specs.push_back({.n = 48, .k = k, .m = m});
  for (int m = 3; m <= kMaxSmallM; ++m)
    specs.push_back({.n = 64, .k = 320, .m = m, .epilogue = Epilogue::kResidual});
  for (const Epilogue epilogue : kEpilogues)
    for (const int m : {3, 8, kAnyM})
      specs.push_back({.n = 96, .k = 200, .m = m, .epilogue = epilogue, .row_absmax = true});
  return specs;
}

void expect_exact(const MatmulSpec& spec, const char* plan, int sm, uint64_t seed) {
  SCOPED_TRACE(fmt::format("{} {} sm_{}", spec_name(spec), plan, sm));
  const auto kernel = test::build_gpu_kernel(kGenerator, spec, *parse_plan(plan), sm);
  ASSERT_TRUE(kernel.ok()) << kernel.status().message();
  const GpuResources& resources = gpu_code(*kernel)->resources;
  EXPECT_EQ(resources.spill_bytes, 0);
  EXPECT_LE(resources.registers, test::kMostRegisters);
  const auto gpu = make_emulated_gpu({.sm = sm, .seed = seed});
  ASSERT_TRUE(gpu.ok()) << gpu.status().message();
  const Status proven = test::prove_every_case(spec, *kernel, **gpu);
  EXPECT_TRUE(proven.ok()) << proven.message();
}

class CudaMatmulMma : public testing::TestWithParam<int> {
 protected:
  void SetUp() override {
    if (!test::nvrtc_is_here()) GTEST_SKIP();
  }
};

TEST_P(CudaMatmulMma, EveryCallIsExact) {
  const int sm = GetParam();
  const std::vector<MatmulSpec> specs = specs_by_mma();
  const size_t stride = sm == 90 || sm == 75 ? 1 : 4;  // the two forms of the instruction
  for (size_t i = static_cast<size_t>(sm) % stride; i < specs.size(); i += stride)
    expect_exact(specs[i], "w4e2", sm, i);
}

TEST_P(CudaMatmulMma, EveryPlanIsExact) {
  for (const Epilogue epilogue : {Epilogue::kScale, Epilogue::kSiluMul})
    for (const char* plan : {"w1e1", "w2e4", "w4e3", "w8e2"})
      expect_exact({.n = 64, .k = 1000, .m = kAnyM, .epilogue = epilogue}, plan, GetParam(), 1);
}

INSTANTIATE_TEST_SUITE_P(Sms, CudaMatmulMma, testing::ValuesIn(test::kTestedSms),
                         [](const auto& each) { return fmt::format("sm{}", each.param); });

TEST(CudaMatmulMmaLimits, AreSaidWithTheirNumbers) {
  const Generator* const mma = find_generator(kGenerator);
  ASSERT_NE(mma, nullptr);
  const auto why = [&](const MatmulSpec& spec, const char* plan = "w4e2") {
    return mma->accepts({.spec = spec, .plan = *parse_plan(plan), .target = test::gpu_target(90)})
        .message();
  };
  const MatmulSpec any{.n = 64, .k = 640, .m = kAnyM};
  EXPECT_EQ(why(any), "");
  EXPECT_EQ(why({.n = 64, .k = 640, .m = 3}), "");
  EXPECT_EQ(why({.n = 64, .k = 640, .m = 2}), "m = 2: takes eight tokens at a time, from 3 on");
  EXPECT_EQ(why({.n = 64, .k = 640, .m = 8, .layout = LayoutId::kTl2}),
            "reads layout i2s, not tl2");
  EXPECT_EQ(why({.n = 64, .k = 1 << 19, .m = 8}), "k = 524288: sums may overflow from 524288 on");
  EXPECT_EQ(why(any, "w33e2"), "warps = 33, expected 1 to 32");
  EXPECT_EQ(why(any, "w4e5"), "eights = 5, expected 1 to 4");
  EXPECT_EQ(why({.n = 64, .k = 640, .m = kAnyM, .epilogue = Epilogue::kSiluMul}, "w16e4"),
            "warps = 16 with 32 tokens a block: 65536 bytes of shared memory, at most 49152");
}

TEST(CudaMatmulMmaLimits, PlansOfAFewTokensStandForOne) {
  const Generator* const mma = find_generator(kGenerator);
  const auto effective = [&](int m, const char* plan) {
    return plan_name(mma->effective_plan({.n = 64, .k = 640, .m = m}, *parse_plan(plan)));
  };
  EXPECT_EQ(effective(8, "w8e4"), "w8e2");
  EXPECT_EQ(effective(kAnyM, "w8e4"), "w8e4");
}

// A kernel compiled from device code with a mistake in it.
class PlantedInMma : public testing::TestWithParam<int> {
 protected:
  // The last block of columns is the third of the second half, and there are tokens and tiles to
  // mix up.
  static constexpr MatmulSpec kSpec{
      .n = 64, .k = 100, .m = 5, .epilogue = Epilogue::kSiluMul, .row_absmax = true};

  void SetUp() override {
    if (!test::nvrtc_is_here()) GTEST_SKIP();
  }

  // What the proof says where `from`, which is there once, is `to` in a file of the device code.
  static std::string with(const std::string& file, const std::string& from, const std::string& to) {
    std::string changed;
    std::vector<cuda::DeviceSource> sources;
    for (cuda::DeviceSource each : cuda::device_sources()) {
      if (each.name == "codegen/cuda/kernels/" + file) {
        changed = each.text;
        const size_t at = changed.find(from);
        if (at == std::string::npos || changed.find(from, at + 1) != std::string::npos)
          return fmt::format("'{}' is not in {} exactly once", from, file);
        changed.replace(at, from.size(), to);
        each.text = changed;
      }
      sources.push_back(each);
    }
    const auto right = test::build_gpu_kernel(kGenerator, kSpec, {}, GetParam());
    EXPECT_TRUE(right.ok()) << right.status().message();
    if (!right.ok()) return {};
    GpuCode code = *gpu_code(*right);
    cuda::Program program{.file = "matmul_mma.cuh",
                          .function = "matmul_mma",
                          .args = "MatmulArgs",
                          .calls = code.calls,
                          .constants = {},
                          .threads = 128};
    program.constants.add("k", kSpec.k);
    program.constants.add("m", int64_t{kSpec.m});
    program.constants.add("tokens", int64_t{8});
    program.constants.add("tiles", int64_t{2});
    program.constants.add("store", "Store", "kGated");
    program.constants.add("gate", "Gate", "kSilu");
    program.constants.add("row_absmax", true);
    const auto compiled =
        (*cuda::find_nvrtc(""))
            ->compile("wrong", cuda::source_of(program, code.entry), sources, GetParam());
    EXPECT_TRUE(compiled.ok()) << compiled.status().message();
    if (!compiled.ok()) return {};
    code.ptx = compiled->ptx;
    code.cubin = compiled->cubin;
    const Kernel kernel = GpuCode::kernel("wrong", std::make_shared<const GpuCode>(code));
    const auto gpu = make_emulated_gpu({.sm = GetParam()});
    const Status proven = prove(kSpec, kernel, **gpu, 1);
    return proven.ok() ? "nothing" : proven.message();
  }
  // Found, and as a difference of results.
  static void expect_difference(const std::string& file, const std::string& from,
                                const std::string& to) {
    const std::string found = with(file, from, to);
    EXPECT_NE(found.find("wrong"), std::string::npos) << found;
    EXPECT_NE(found, "nothing");
  }
};

TEST_P(PlantedInMma, None) {
  EXPECT_EQ(with("matmul_mma.cuh", "x0.word[p]", "x0.word[p]"), "nothing");
}
TEST_P(PlantedInMma, ABarrierIsRemoved) {
  const std::string found = with("matmul_mma.cuh", "  barrier();\n", "");
  EXPECT_NE(found.find("a race: another warp used byte"), std::string::npos) << found;
}
TEST_P(PlantedInMma, TheLastBlockOfColumnsIsForgotten) {
  expect_difference("matmul_mma.cuh", "block + 4 < blocks", "block + 5 < blocks");
}
TEST_P(PlantedInMma, PlanesAreSwapped) {
  expect_difference("matmul_mma.cuh", "x1.word[p]", "x1.word[p ^ 1]");
}
TEST_P(PlantedInMma, RowsAreSwapped) {
  expect_difference("matmul_mma.cuh", "[g + i / 2 * 8]", "[g + (1 - i / 2) * 8]");
}
TEST_P(PlantedInMma, TheSumOfActivationsIsForgotten) {
  expect_difference("matmul.cuh", "-args.x_sum[m]", "0");
}
TEST_P(PlantedInMma, TheScaleOfAnotherTile) {
  expect_difference("matmul.cuh", "args.tile_scale[tile + t]", "args.tile_scale[tile]");
}
TEST_P(PlantedInMma, AnAbsentTokenIsStored) {
  EXPECT_NE(with("matmul.cuh", "if (m >= tokens) break;", ""), "nothing");
}

// One GPU of each form of the instruction.
INSTANTIATE_TEST_SUITE_P(Sms, PlantedInMma, testing::Values(75, 90),
                         [](const auto& each) { return fmt::format("sm{}", each.param); });

}  // namespace
}  // namespace bitnetc
