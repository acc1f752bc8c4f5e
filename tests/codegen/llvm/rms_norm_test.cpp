#include "codegen/reference/reference.h"
#include "tests/codegen/llvm/llvm_generator.h"
#include "tests/support/norm_problem.h"

namespace bitnetc::test {
namespace {

using LlvmRmsNormTest = LlvmTest;

TEST_F(LlvmRmsNormTest, SameBitsForEveryWidthAndTier) {
  for (const Isa isa : runnable_tiers()) {
    for (const int64_t k :
         {1, 7, 32, 63, 64, 65, 100, 128, 256, 512, 640, 1536, 2560, 3200, 5460, 6912, 8640}) {
      SCOPED_TRACE(isa_name(isa));
      const RmsNormSpec spec{.k = k, .eps = 1e-5f};
      const Kernel kernel = build(*rms_norm_, spec, isa);
      for (const NormRow& row : norm_rows(k))
        for (const Edge edge : {Edge::kEnd, Edge::kBegin})
          EXPECT_EQ(compare_rms_norm(spec, kernel, row, edge), "");
    }
  }
}

TEST_F(LlvmRmsNormTest, MayWriteOverItsInput) {
  for (const Isa isa : runnable_tiers()) {
    for (const int64_t k : {37, 256}) {
      const RmsNormSpec spec{.k = k, .eps = 1e-5f};
      const NormRow row = norm_rows(k).front();
      std::vector<float> expected(row.x.size()), values = row.x;
      reference::rms_norm(spec,
                          {.x = row.x.data(), .weight = row.weight.data(), .y = expected.data()});
      build(*rms_norm_, spec,
            isa)(RmsNormArgs{.x = values.data(), .weight = row.weight.data(), .y = values.data()});
      EXPECT_EQ(values, expected) << "k = " << k << ", " << isa_name(isa);
    }
  }
}

TEST_F(LlvmRmsNormTest, DeclinesOtherOperations) {
  const KernelRequest request{
      .spec = NormQuantizeSpec{.k = 64, .eps = 1e-5f}, .plan = {}, .target = {}};
  EXPECT_EQ(rms_norm_->accepts(request).message(), "makes rmsnorm only");
}

}  // namespace
}  // namespace bitnetc::test
