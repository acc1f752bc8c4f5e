// The CUDA matmuls against codegen/reference on the emulated GPU, what their loops cost, and that
// planted mistakes are found.
#include <gtest/gtest.h>

#include "runtime/gpu_emulator.h"
#include "tests/support/gpu_kernels.h"

namespace bitnetc {
namespace {

std::vector<MatmulSpec> matmul_specs() {
  std::vector<MatmulSpec> specs;
  for (const int64_t k : {1, 16, 100, 640, 2560})
    for (const int m : {1, 3, kAnyM}) specs.push_back({.n = 48, .k = k, .m = m});
  for (int m = 1; m <= kMaxSmallM; ++m)
    specs.push_back({.n = 64, .k = 320, .m = m, .epilogue = Epilogue::kResidual});
  for (const Epilogue epilogue : kEpilogues)
    for (const int m : {1, 2, kAnyM})
      specs.push_back({.n = 96, .k = 200, .m = m, .epilogue = epilogue, .row_absmax = true});
  return specs;
}

class CudaMatmul : public testing::TestWithParam<int> {
 protected:
  void SetUp() override {
    if (!test::nvrtc_is_here()) GTEST_SKIP();
  }
};

TEST_P(CudaMatmul, EveryCallIsExact) {
  const int sm = GetParam();
  const std::vector<MatmulSpec> specs = matmul_specs();
  const size_t stride = sm == 90 ? 1 : 4;
  for (size_t i = static_cast<size_t>(sm) % stride; i < specs.size(); i += stride) {
    SCOPED_TRACE(spec_name(specs[i]));
    const auto kernel = test::build_gpu_kernel("cuda_matmul_dp4a", specs[i], {}, sm);
    ASSERT_TRUE(kernel.ok()) << kernel.status().message();
    const GpuResources& resources = gpu_code(*kernel)->resources;
    EXPECT_EQ(resources.spill_bytes, 0);
    EXPECT_LE(resources.registers, test::kMostRegisters);
    const auto gpu = make_emulated_gpu({.sm = sm, .seed = i});
    const Status proven = test::prove_every_case(specs[i], *kernel, **gpu);
    EXPECT_TRUE(proven.ok()) << proven.message();
  }
}

TEST_P(CudaMatmul, EveryPlanIsExact) {
  const MatmulSpec spec{.n = 64, .k = 1000, .m = 2, .epilogue = Epilogue::kSiluMul};
  for (const char* plan : {"w1", "w2", "w8", "w16"}) {
    const auto kernel =
        test::build_gpu_kernel("cuda_matmul_dp4a", spec, *parse_plan(plan), GetParam());
    ASSERT_TRUE(kernel.ok()) << kernel.status().message();
    const auto gpu = make_emulated_gpu({.sm = GetParam()});
    const Status proven = test::prove_every_case(spec, *kernel, **gpu);
    EXPECT_TRUE(proven.ok()) << proven.message();
  }
}

INSTANTIATE_TEST_SUITE_P(Sms, CudaMatmul, testing::ValuesIn(test::kTestedSms),
                         [](const auto& each) { return fmt::format("sm{}", each.param); });

TEST(CudaMatmulLimits, AreSaidWithTheirNumbers) {
  const Generator* const dp4a = find_generator("cuda_matmul_dp4a");
  const auto why = [&](const MatmulSpec& spec, const Target& target, const char* plan = "w4") {
    return dp4a->accepts({.spec = spec, .plan = *parse_plan(plan), .target = target}).message();
  };
  const MatmulSpec spec{.n = 64, .k = 640};
  EXPECT_EQ(why(spec, test::gpu_target(90)), "");
  EXPECT_EQ(why(spec, target_for(Isa::kAvx2)), "makes code for NVIDIA GPUs, target is avx2");
  EXPECT_EQ(why(spec, test::gpu_target(70)), "needs sm_75, target is sm_70");
  EXPECT_EQ(why({.n = 64, .k = 640, .layout = LayoutId::kTl2}, test::gpu_target(90)),
            "reads layout i2s, not tl2");
  EXPECT_EQ(why({.n = 64, .k = 1 << 19}, test::gpu_target(90)),
            "k = 524288: sums may overflow from 524288 on");
  EXPECT_EQ(why(spec, test::gpu_target(90), "w33"), "warps = 33, expected 1 to 32");
}

// The text of the kernel with a mistake in it, run as the kernel.
class PlantedMistake : public testing::Test {
 protected:
  static constexpr MatmulSpec kSpec{.n = 64, .k = 640, .m = 1};

  void SetUp() override {
    if (!test::nvrtc_is_here()) GTEST_SKIP();
    const auto built = test::build_gpu_kernel("cuda_matmul_dp4a", kSpec, {}, 90);
    ASSERT_TRUE(built.ok()) << built.status().message();
    code_ = *gpu_code(*built);
  }

  // What the proof says where `from`, which is there, is `to` instead: the first of them, or all.
  std::string with(const std::string& from, const std::string& to, bool all = false) {
    GpuCode code = code_;
    size_t count = 0;
    for (size_t at = 0; (at = code.ptx.find(from, at)) != std::string::npos; at += to.size()) {
      code.ptx.replace(at, from.size(), to);
      ++count;
      if (!all) break;
    }
    EXPECT_GT(count, 0U) << from;
    const Kernel kernel = GpuCode::kernel("wrong", std::make_shared<const GpuCode>(code));
    const auto gpu = make_emulated_gpu({.sm = 90});
    return prove(kSpec, kernel, **gpu, 1).message();
  }

  GpuCode code_;
};

TEST_F(PlantedMistake, None) {
  EXPECT_EQ(with("dp4a", "dp4a"), "");
}
TEST_F(PlantedMistake, ABarrierIsRemoved) {
  EXPECT_NE(with("bar.sync \t0;", "").find("a race: another warp used byte"), std::string::npos)
      << with("bar.sync \t0;", "");
}
TEST_F(PlantedMistake, AProductMayBeFused) {
  EXPECT_NE(with("mul.rn.f32", "mul.f32").find("without .rn it may be fused"), std::string::npos);
}
TEST_F(PlantedMistake, SubnormalsAreFlushed) {
  EXPECT_NE(with("mul.rn.f32", "mul.rn.ftz.f32").find(".ftz is not exactly rounded"),
            std::string::npos);
}
TEST_F(PlantedMistake, AnotherPlane) {
  EXPECT_NE(with(", 202116108;", ", 50529027;"), "");
}
TEST_F(PlantedMistake, SignedForUnsigned) {
  EXPECT_NE(with("dp4a.u32.s32", "dp4a.u32.u32", /*all=*/true), "");
}
TEST_F(PlantedMistake, AnotherLane) {
  EXPECT_NE(with("shfl.sync.bfly.b32", "shfl.sync.idx.b32"), "");
}
TEST_F(PlantedMistake, AnInstructionThatNobodyKnows) {
  EXPECT_NE(with("dp4a.u32.s32", "dp5a.u32.s32").find("an instruction that is not emulated"),
            std::string::npos);
}

// What a kernel does in a call over a whole matrix.
LaunchMetrics metrics_of(const MatmulSpec& spec) {
  const auto kernel = test::build_gpu_kernel("cuda_matmul_dp4a", spec, {}, 90);
  EXPECT_TRUE(kernel.ok()) << kernel.status().message();
  const auto gpu = *make_emulated_gpu({.sm = 90});
  const WeightLayout layout = spec.weight_layout();
  std::vector<DeviceMemory> memory;
  const auto allocate = [&]<typename T>(T*, int64_t count) {
    memory.push_back(*gpu->allocate(static_cast<size_t>(count) * sizeof(T)));
    return reinterpret_cast<T*>(memory.back().address);
  };
  const MatmulArgs args{.x = allocate(static_cast<int8_t*>(nullptr), spec.padded_k()),
                        .tables = nullptr,
                        .w = allocate(static_cast<uint8_t*>(nullptr), layout.total_bytes()),
                        .y = allocate(static_cast<float*>(nullptr), spec.n),
                        .x_scale = allocate(static_cast<float*>(nullptr), 1),
                        .x_sum = allocate(static_cast<int32_t*>(nullptr), 1),
                        .tile_scale = allocate(static_cast<float*>(nullptr), layout.tiles()),
                        .residual = nullptr,
                        .x_stride = spec.padded_k(),
                        .y_stride = spec.n,
                        .tile_begin = 0,
                        .tile_end = layout.tiles(),
                        .m = 1};
  const Status status = gpu->run(*kernel, &args, sizeof args);
  EXPECT_TRUE(status.ok()) << status.message();
  return gpu->take_metrics();
}

// The loop is what a longer row takes more.
TEST(CudaMatmulCost, TheLoopIsShortAndAccessesAreCoalesced) {
  if (!test::nvrtc_is_here()) GTEST_SKIP();
  const MatmulSpec spec{.n = 512, .k = 2560, .m = 1}, longer{.n = 512, .k = 3 * 2560, .m = 1};
  const LaunchMetrics metrics = metrics_of(spec), more = metrics_of(longer);
  const auto per_weight = static_cast<double>(more.lane_instructions - metrics.lane_instructions) /
                          static_cast<double>(spec.n * (longer.k - spec.k));
  std::printf(
      "cuda_matmul_dp4a, one token: %.2f instructions of lanes per weight in the loop, %.2f in "
      "all; sectors per ideal %.2f, passes per ideal %.2f\n",
      per_weight,
      static_cast<double>(metrics.lane_instructions) / static_cast<double>(spec.n * spec.k),
      metrics.sectors_per_ideal(), metrics.passes_per_ideal());
  EXPECT_LE(per_weight, 0.70);
  EXPECT_LE(metrics.sectors_per_ideal(), 1.05);
  EXPECT_LE(metrics.passes_per_ideal(), 1.1);
}

}  // namespace
}  // namespace bitnetc
