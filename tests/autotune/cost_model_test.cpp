#include "autotune/cost_model.h"

#include <gtest/gtest.h>

#include <cmath>
#include <string>
#include <string_view>

#include "codegen/matmul_plans.h"

namespace bitnetc {
namespace {

// A machine of round numbers: 40 GB/s, and as many AVX2 instructions a second as 320 G operations
// are: 10 G.
const MachineLimits kLimits{.threads = 1,
                            .read_bytes_per_second = 40e9,
                            .int8_operations_per_second = {{Isa::kAvx2, 320e9},
                                                           {Isa::kAvxVnni, 500e9},
                                                           {Isa::kAvx512Vnni, 1000e9},
                                                           {Isa::kAmx, 4000e9}}};
constexpr MatmulSpec kShape{.n = 4096, .k = 2560};

MatmulSpec with(MatmulSpec spec, LayoutId layout, int m) {
  spec.layout = layout;
  spec.m = m;
  return spec;
}

Candidate candidate(std::string_view generator, const MatmulSpec& spec, const KernelPlan& plan) {
  for (const auto& each : KernelBuilder::generators())
    if (each->name() == generator) return {each.get(), spec, plan};
  ADD_FAILURE() << "no generator " << generator;
  return {KernelBuilder::generators().back().get(), spec, plan};
}

// Every candidate of every layout and tier for a shape.
template <typename Body>
void for_each_candidate(const MatmulSpec& shape, const Body& body) {
  for (const Isa isa : {Isa::kAvx2, Isa::kAmx})
    for (const LayoutId layout : kLayouts)
      for (const int m : {1, 2, 8, kAnyM})
        for (const Candidate& each :
             candidates(with(shape, layout, m), target_for(isa), Effort::kFull))
          body(each, m == kAnyM ? 64 : m);
}

std::string name_of(const Candidate& each) {
  return kernel_name(each.request(target_for(Isa::kAmx)), *each.generator);
}

#ifdef __x86_64__
TEST(CostModel, ByHand) {
  const MatmulSpec one = with(kShape, LayoutId::kI2S, 1);
  const Candidate direct =
      candidate("x64_matmul_i2s_avx512vnni", one,
                DirectPlan{.tiles_per_step = 4, .k_unroll = 4, .prefetch_bytes = 4096});
  const CostPrediction cost = predict(direct, 1, kLimits);
  // 10.49 M weights in 2.62 MB; two operations each; a mask for 64 of them.
  EXPECT_NEAR(cost.memory_s, 65.536e-6, 1e-9);
  EXPECT_NEAR(cost.multiply_s, 20.972e-6, 1e-9);
  EXPECT_NEAR(cost.decode_s, 16.384e-6, 1e-9);
  EXPECT_EQ(cost.tables_s, 0);
  EXPECT_NEAR(cost.seconds(), 65.536e-6 + 0.2 * (20.972e-6 + 16.384e-6), 1e-9);
  EXPECT_STREQ(cost.bound(), "memory");

  const MatmulSpec looked_up = with(kShape, LayoutId::kB3, 1);
  const Candidate look_up =
      candidate("x64_lut_avx512", looked_up,
                DirectPlan{.tiles_per_step = 8, .k_unroll = 4, .prefetch_bytes = 4096});
  const CostPrediction tables = predict(look_up, 1, kLimits);
  // 15 operations for 320 weights, and 32 tile groups that read 65,536 bytes of tables at 60 GB/s.
  EXPECT_NEAR(tables.decode_s, (49.152 + 34.953) * 1e-6, 1e-9);
  EXPECT_NEAR(tables.tables_s, 1.0923e-6, 1e-9);
  EXPECT_EQ(tables.multiply_s, 0);
  EXPECT_STREQ(tables.bound(), "decode");
}

TEST(CostModel, KnownRegimes) {
  const MatmulSpec one = with(kShape, LayoutId::kI2S, 1);
  const MatmulSpec any = with(kShape, LayoutId::kI2S, kAnyM);
  const KernelPlan streamed =
      DirectPlan{.tiles_per_step = 1, .k_unroll = 8, .prefetch_bytes = 8192};
  const KernelPlan panel =
      PanelPlan{.tiles_per_step = 4, .k_unroll = 4, .prefetch_bytes = 2048, .block_k = 512};
  for (const char* name : {"x64_matmul_i2s_avx512vnni", "x64_matmul_i2s_avxvnni"})
    EXPECT_STREQ(predict(candidate(name, one, streamed), 1, kLimits).bound(), "memory") << name;
  for (const char* name : {"x64_panel_avx512vnni", "x64_panel_avxvnni", "x64_panel_amx"})
    EXPECT_STREQ(predict(candidate(name, any, panel), 256, kLimits).bound(), "multiply") << name;
  // Nobody would read one token with a kernel for many.
  EXPECT_GT(predict(candidate("x64_panel_avx512vnni", any, panel), 1, kLimits).seconds(),
            predict(candidate("x64_matmul_i2s_avx512vnni", one, streamed), 1, kLimits).seconds());
  // Several streams, prefetched, beat one, and none is worse.
  const auto seconds = [&](int tiles, int prefetch) {
    return predict(
               candidate(
                   "x64_matmul_i2s_avx512vnni", one,
                   DirectPlan{.tiles_per_step = tiles, .k_unroll = 8, .prefetch_bytes = prefetch}),
               1, kLimits)
        .seconds();
  };
  EXPECT_LT(seconds(1, 8192), seconds(1, 0));
  EXPECT_LT(seconds(4, 8192), seconds(1, 8192));
  EXPECT_LT(seconds(4, 8192), seconds(4, 0));
}
#endif

TEST(CostModel, NothingIsZeroOrInfinite) {
  for (const MachineLimits& limits : {kLimits, MachineLimits{}, MachineLimits{.threads = 4}}) {
    for (const MatmulSpec& shape :
         {kShape, MatmulSpec{.n = 16, .k = 4}, MatmulSpec{.n = 32, .k = 20}}) {
      for_each_candidate(shape, [&](const Candidate& each, int64_t tokens) {
        const CostPrediction cost = predict(each, tokens, limits);
        EXPECT_GT(cost.seconds(), 0) << name_of(each);
        EXPECT_TRUE(std::isfinite(cost.seconds())) << name_of(each);
        EXPECT_GT(cost.memory_s, 0) << name_of(each);
        for (const double term : {cost.multiply_s, cost.decode_s, cost.tables_s})
          EXPECT_TRUE(term >= 0 && term <= cost.seconds()) << name_of(each);
      });
    }
  }
}

TEST(CostModel, NoPlanBeatsTheRoofline) {
  for_each_candidate(kShape, [](const Candidate& each, int64_t tokens) {
    const CostPrediction cost = predict(each, tokens, kLimits);
    const auto bytes = static_cast<double>(each.spec.weight_layout().total_bytes());
    EXPECT_GE(cost.seconds(), bytes / kLimits.read_bytes_per_second) << name_of(each);
    if (each.generator->table_form(each.spec) != TableForm::kNone) return;
    EXPECT_GE(cost.seconds(), 2.0 * static_cast<double>(tokens * kShape.n * kShape.k) / 4000e9)
        << name_of(each);
  });
}

// Larger work never takes less.
TEST(CostModel, GrowsWithRowsColumnsAndTokens) {
  for_each_candidate(kShape, [](const Candidate& each, int64_t tokens) {
    const double seconds = predict(each, tokens, kLimits).seconds();
    Candidate longer = each, wider = each;
    longer.spec.n += 512;
    wider.spec.k += 360;
    EXPECT_GT(predict(longer, tokens, kLimits).seconds(), seconds) << name_of(each);
    EXPECT_GT(predict(wider, tokens, kLimits).seconds(), seconds) << name_of(each);
    if (each.spec.m != kAnyM) return;
    double so_far = 0;
    for (int64_t m = 1; m <= 600; m = m < 20 ? m + 1 : m + 37) {
      const double now = predict(each, m, kLimits).seconds();
      EXPECT_GE(now, so_far) << name_of(each) << " with " << m;
      so_far = now;
    }
  });
}

}  // namespace
}  // namespace bitnetc
