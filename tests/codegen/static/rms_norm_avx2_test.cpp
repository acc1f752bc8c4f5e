#include "codegen/reference/reference.h"
#include "tests/codegen/static/static_kernel_test.h"

namespace bitnetc::test {
namespace {

void expect_same_bits(int64_t k, float value_scale, Edge edge) {
  SCOPED_TRACE(fmt::format("k = {}, values of size {}", k, value_scale));
  RandomValues random(static_cast<uint64_t>(k));
  GuardedBuffer<float> x(static_cast<size_t>(k), edge), weight(x.size(), edge), y(x.size(), edge);
  random.fill(x, value_scale);
  random.fill(weight, 2.0f);
  std::vector<float> expected(y.size());
  const RmsNormSpec spec{.k = k, .eps = 1e-5f};
  RmsNormArgs args{.x = x.data(), .weight = weight.data(), .y = expected.data()};
  reference::rms_norm(spec, args);
  args.y = y.data();
  build_static(*make_static_rms_norm_avx2(), spec)(args);
  EXPECT_EQ(first_difference<float>(y, expected), -1);
  EXPECT_TRUE(y.slack_intact());
}

TEST(StaticRmsNormAvx2Test, SameBitsForEveryWidth) {
  BITNETC_SKIP_WITHOUT_AVX2();
  for (int64_t k = 1; k <= 200; ++k)
    for (const Edge edge : kBothEdges) expect_same_bits(k, 1.0f, edge);
}

TEST(StaticRmsNormAvx2Test, SameBitsForRealWidthsAndSizes) {
  BITNETC_SKIP_WITHOUT_AVX2();
  for (const int64_t k : {256, 2560, 6912})
    for (const float value_scale : {0.0f, 1e-4f, 1.0f, 1e5f})
      expect_same_bits(k, value_scale, Edge::kEnd);
}

}  // namespace
}  // namespace bitnetc::test
