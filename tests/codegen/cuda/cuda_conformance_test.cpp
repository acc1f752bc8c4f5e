// Every CUDA generator on every operation it serves but matmuls: compiled by NVRTC for one GPU of
// each generation, run by the emulator, compared with codegen/reference bit by bit.
#include <gtest/gtest.h>

#include "codegen/operations/operation.h"
#include "runtime/gpu_emulator.h"
#include "tests/support/gpu_kernels.h"

namespace bitnetc {
namespace {

// All samples are compiled for this GPU; for the others one in so many, not the same ones: what is
// particular to a GPU is in few instructions, and the emulator takes its time.
constexpr int kAllSamplesSm = 90;
constexpr size_t kSampleStride = 4;

// Of an operation that the generator serves: all its samples.
std::vector<KernelSpec> served_samples(const Generator& generator, const Target& target) {
  std::vector<KernelSpec> served;
  const auto add = [&]<typename Spec>() {
    if constexpr (!std::is_same_v<Spec, MatmulSpec>)
      for (const Spec& spec : Operation<Spec>::samples())
        if (generator.accepts({.spec = spec, .plan = {}, .target = target}).ok())
          served.emplace_back(spec);
  };
  [&]<typename... Specs>(std::type_identity<std::variant<Specs...>>) {
    (add.template operator()<Specs>(), ...);
  }(std::type_identity<KernelSpec>());
  return served;
}

struct CudaEngine {
  const Generator* generator;
  int sm;
};
void PrintTo(const CudaEngine& engine, std::ostream* out) {
  *out << engine.generator->name() << " sm_" << engine.sm;
}

std::vector<CudaEngine> engines() {
  std::vector<CudaEngine> all;
  for (const auto& generator : KernelBuilder::generators())
    for (const int sm : test::kTestedSms)
      if (!served_samples(*generator, test::gpu_target(sm)).empty())
        all.push_back({.generator = generator.get(), .sm = sm});
  return all;
}

class CudaConformance : public testing::TestWithParam<CudaEngine> {};

TEST_P(CudaConformance, EveryCallIsExact) {
  if (!test::nvrtc_is_here()) GTEST_SKIP();
  const auto& [generator, sm] = GetParam();
  const std::vector<KernelSpec> specs = served_samples(*generator, test::gpu_target(sm));
  const size_t first = sm == kAllSamplesSm ? 0 : static_cast<size_t>(sm) % kSampleStride;
  const size_t stride = sm == kAllSamplesSm ? 1 : kSampleStride;
  for (size_t i = std::min(first, specs.size() - 1); i < specs.size(); i += stride) {
    const KernelSpec& spec = specs[i];
    SCOPED_TRACE(spec_name(spec));
    const auto kernel = test::build_gpu_kernel(generator->name(), spec, {}, sm);
    ASSERT_TRUE(kernel.ok()) << kernel.status().message();
    const GpuResources& resources = gpu_code(*kernel)->resources;
    EXPECT_EQ(resources.spill_bytes, 0);
    EXPECT_LE(resources.registers, test::kMostRegisters);
    const auto gpu = make_emulated_gpu({.sm = sm, .seed = static_cast<uint64_t>(sm)});
    ASSERT_TRUE(gpu.ok()) << gpu.status().message();
    const Status proven = test::prove_every_case(spec, *kernel, **gpu);
    EXPECT_TRUE(proven.ok()) << proven.message();
  }
}

INSTANTIATE_TEST_SUITE_P(Generators, CudaConformance, testing::ValuesIn(engines()),
                         [](const testing::TestParamInfo<CudaEngine>& each) {
                           return fmt::format("{}_sm{}", each.param.generator->name(),
                                              each.param.sm);
                         });

}  // namespace
}  // namespace bitnetc
