// Every generator of kernels.inc that takes a norm step on this machine gives the bits of the
// reference, inside its buffers.
#include <gtest/gtest.h>

#include <cstdio>

#include "codegen/kernel_builder.h"
#include "runtime/cpu_features.h"
#include "tests/support/norm_problem.h"

namespace bitnetc::test {
namespace {

constexpr int64_t kWidths[] = {1,   7,   63,   64,   65,   100,  128,  256,
                               512, 640, 1536, 2560, 3200, 5460, 6912, 8640};

// Calls `check(kernel)` for every generator but the reference that accepts the spec. The reference
// accepts everything and is what the others are compared with: where it is alone nothing is tested,
// loudly.
template <typename Check>
void for_every_kernel(const KernelSpec& spec, const Check& check) {
  const KernelRequest request{.spec = spec, .plan = {}, .target = host_target()};
  int taken = 0;
  for (const auto& generator : KernelBuilder::generators()) {
    if (generator->kind() == GeneratorKind::kReference || !generator->accepts(request).ok())
      continue;
    const auto kernel = generator->build(request, kernel_name(request, *generator), {});
    ASSERT_TRUE(kernel.ok()) << generator->name() << ": " << kernel.status().message();
    check(*kernel);
    ++taken;
  }
  if (taken > 0) return;
  std::printf("SKIPPED %s: only the reference takes it here\n", spec_name(spec).c_str());
  GTEST_SKIP() << "only the reference takes " << spec_name(spec);
}

TEST(NormConformance, NormQuantizeHasTheReferencesBits) {
  for (const int64_t k : kWidths) {
    const NormQuantizeSpec spec{.k = k, .eps = 1e-5f};
    for_every_kernel(spec, [&](const Kernel& kernel) {
      for (const NormRow& row : norm_rows(k))
        for (const Edge edge : {Edge::kEnd, Edge::kBegin})
          EXPECT_EQ(compare_norm_quantize(spec, kernel, row, edge), "") << kernel.name();
    });
  }
}

TEST(NormConformance, NormQuantizeRoundsTiesToEven) {
  for (const int64_t k : {64, 100, 640}) {
    const NormQuantizeSpec spec{.k = k, .eps = kTieEps};
    for_every_kernel(spec, [&](const Kernel& kernel) {
      EXPECT_EQ(compare_norm_quantize(spec, kernel, tie_row(k), Edge::kEnd), "") << kernel.name();
    });
  }
}

TEST(NormConformance, QuantizeHasTheReferencesBits) {
  std::vector<int64_t> widths(std::begin(kWidths), std::end(kWidths));
  for (int64_t k = 1; k <= 130; ++k) widths.push_back(k);
  for (const int64_t k : widths) {
    for (const bool find_absmax : {false, true}) {
      const QuantizeSpec spec{.k = k, .find_absmax = find_absmax};
      for_every_kernel(spec, [&](const Kernel& kernel) {
        for (const QuantizeRow& row : quantize_rows(k))
          for (const Edge edge : {Edge::kEnd, Edge::kBegin})
            EXPECT_EQ(compare_quantize(spec, kernel, row, edge), "") << kernel.name();
      });
    }
  }
}

TEST(NormConformance, RmsNormHasTheReferencesBits) {
  for (const int64_t k : kWidths) {
    const RmsNormSpec spec{.k = k, .eps = 1e-5f};
    for_every_kernel(spec, [&](const Kernel& kernel) {
      for (const NormRow& row : norm_rows(k))
        for (const Edge edge : {Edge::kEnd, Edge::kBegin})
          EXPECT_EQ(compare_rms_norm(spec, kernel, row, edge), "") << kernel.name();
    });
  }
}

// Who is tested here, and who is not and why: printed, so that a missing tier is seen.
TEST(NormConformance, SaysWhichGeneratorsTakePart) {
  for (const KernelSpec& spec :
       {KernelSpec(NormQuantizeSpec{.k = 64, .eps = 1e-5f}),
        KernelSpec(RmsNormSpec{.k = 64, .eps = 1e-5f}), KernelSpec(QuantizeSpec{.k = 64})}) {
    const KernelRequest request{.spec = spec, .plan = {}, .target = host_target()};
    for (const auto& generator : KernelBuilder::generators()) {
      const Status status = generator->accepts(request);
      std::printf("%s: %s: %s\n", spec_name(spec).c_str(), std::string(generator->name()).c_str(),
                  status.ok() ? "tested" : status.message().c_str());
    }
  }
}

}  // namespace
}  // namespace bitnetc::test
