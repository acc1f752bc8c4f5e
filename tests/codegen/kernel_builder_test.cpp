// Selection: for any target, on any machine, which generator is asked first, and what the others said.
#include "codegen/kernel_builder.h"

#include <gtest/gtest.h>

#include "runtime/cpu_features.h"
#include "runtime/options.h"

namespace bitnetc {
namespace {

const MatmulSpec kMatmul{.n = 2560, .k = 6912};

// The generator that would be tried first; needs no CPU of the tier.
std::string first_choice(const KernelSpec& spec, Isa isa) {
  for (const auto& generator : KernelBuilder::generators())
    if (generator->accepts({spec, {}, target_for(isa)}).ok()) return std::string(generator->name());
  return "none";
}

#ifdef __x86_64__
TEST(Selection, TheBestTierOfTheTargetComesFirst) {
  EXPECT_EQ(first_choice(kMatmul, Isa::kAvx512Vnni), "x64_matmul_i2s_avx512vnni");
  EXPECT_EQ(first_choice(kMatmul, Isa::kAvxVnni), "x64_matmul_i2s_avxvnni");
  EXPECT_EQ(first_choice(kMatmul, Isa::kAvx2), "x64_matmul_i2s_avx2");
  EXPECT_EQ(first_choice(AttentionSpec{.head_dim = 128, .scale = 1}, Isa::kAvx2),
            "static_attention_avx2");
}
#endif

TEST(Selection, TheReferenceServesEverything) {
  EXPECT_EQ(first_choice(kMatmul, Isa::kScalar), "reference");
  EXPECT_EQ(KernelBuilder::generators().back()->name(), "reference");
}

TEST(Selection, EveryRefusalIsKept) {
  KernelBuilder builder;
  const auto built = builder.build({kMatmul, {}, target_for(Isa::kScalar)});
  ASSERT_TRUE(built.ok()) << built.status().message();
  EXPECT_EQ(built->generator, "reference");
  EXPECT_EQ(built->kernel.name(), "matmul_i8_i2s_f32_n2560_k6912_m1_scale_t1u4p0_reference");
  EXPECT_EQ(built->selection.entries.size(), KernelBuilder::generators().size());
  EXPECT_EQ(built->selection.entries.back().outcome, "taken");
#ifdef __x86_64__
  EXPECT_NE(built->selection.describe().find("x64_matmul_i2s_avx2: needs avx2, target is scalar"),
            std::string::npos)
      << built->selection.describe();
#endif
}

// Where executable memory is refused a kernel compiled ahead of time serves, and the reason is on record.
TEST(Selection, WithoutExecutableMemoryItSaysSo) {
  const Options before = options();
  Options without_jit = before;
  without_jit.jit = false;
  set_options(without_jit);
  KernelBuilder builder;
  const auto built = builder.build({kMatmul, {}, host_target()});
  set_options(before);
  ASSERT_TRUE(built.ok()) << built.status().message();
  if (host_target().supports(Isa::kAvx2)) {
    EXPECT_TRUE(built->generator.starts_with("static_matmul_")) << built->generator;
    EXPECT_NE(built->selection.describe().find("BITNETC_JIT"), std::string::npos)
        << built->selection.describe();
  }
}

TEST(Selection, ImpossibleSpecsAndUnknownGeneratorsAreRefused) {
  KernelBuilder builder;
  EXPECT_EQ(builder.build({MatmulSpec{.n = 7, .k = 16}, {}, host_target()}).status().code(),
            StatusCode::kInvalidArgument);
  EXPECT_EQ(builder.build_with("x64_dream", {kMatmul, {}, host_target()}).status().code(),
            StatusCode::kNotFound);
}

TEST(Selection, AKernelIsBuiltOnce) {
  KernelBuilder builder;
  const KernelRequest request{RmsNormSpec{.k = 64, .eps = 1e-5f}, {}, host_target()};
  const auto first = builder.build(request), second = builder.build(request);
  ASSERT_TRUE(first.ok() && second.ok());
  EXPECT_EQ(first->kernel.entry(), second->kernel.entry());
  EXPECT_EQ(second->build_ns, 0);
}

}  // namespace
}  // namespace bitnetc
