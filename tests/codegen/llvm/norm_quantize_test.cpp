#include <cmath>

#include "tests/codegen/llvm/llvm_generator.h"
#include "tests/support/norm_problem.h"

namespace bitnetc::test {
namespace {

constexpr Edge kBothEdges[] = {Edge::kEnd, Edge::kBegin};

class LlvmNormQuantizeTest : public LlvmTest {
 protected:
  void expect_same_bits(const NormQuantizeSpec& spec, Isa isa, const std::vector<NormRow>& rows) {
    SCOPED_TRACE(isa_name(isa));
    const Kernel kernel = build(*norm_quantize_, spec, isa);
    for (const NormRow& row : rows)
      for (const Edge edge : kBothEdges)
        EXPECT_EQ(compare_norm_quantize(spec, kernel, row, edge), "");
  }
};

TEST_F(LlvmNormQuantizeTest, SameBitsForEveryWidthAndTier) {
  for (const Isa isa : runnable_tiers())
    for (const int64_t k : {1,   7,   31,  32,  33,  63,   64,   65,   95,   96,   97,  100,
                            127, 128, 256, 512, 640, 1536, 2560, 3200, 5460, 6912, 8640})
      expect_same_bits({.k = k, .eps = 1e-5f}, isa, norm_rows(k));
}

TEST_F(LlvmNormQuantizeTest, EpsIsBakedIn) {
  for (const Isa isa : runnable_tiers())
    for (const float eps : {0.0f, 1e-6f, 0.1f}) {
      // Without eps a row of zeros is 0/0, which the specification leaves open.
      std::vector<NormRow> rows = norm_rows(100);
      rows.resize(2);
      expect_same_bits({.k = 100, .eps = eps}, isa, rows);
    }
}

TEST_F(LlvmNormQuantizeTest, TiesGoToEven) {
  for (const Isa isa : runnable_tiers()) {
    for (const int64_t k : {64, 254, 640}) {
      const NormQuantizeSpec spec{.k = k, .eps = kTieEps};
      const NormRow row = tie_row(k);
      expect_same_bits(spec, isa, {row});

      std::vector<int8_t> q(static_cast<size_t>(spec.padded_k()));
      float scale = 0;
      int32_t sum = 0;
      build(*norm_quantize_, spec, isa)(NormQuantizeArgs{.x = row.x.data(),
                                                         .weight = row.weight.data(),
                                                         .q = q.data(),
                                                         .scale = &scale,
                                                         .sum = &sum,
                                                         .normed = nullptr});
      EXPECT_EQ(scale, 1.0f);
      EXPECT_EQ(q[0], 127);
      EXPECT_EQ(q[1], -2);  // -1.5
      EXPECT_EQ(q[2], 2);   //  2.5
      EXPECT_EQ(q[3], -4);  // -3.5
    }
  }
}

TEST_F(LlvmNormQuantizeTest, DeclinesOtherOperations) {
  const KernelRequest request{.spec = RmsNormSpec{.k = 64, .eps = 1e-5f}, .plan = {}, .target = {}};
  EXPECT_EQ(norm_quantize_->accepts(request).message(), "makes normquant only");
}

}  // namespace
}  // namespace bitnetc::test
