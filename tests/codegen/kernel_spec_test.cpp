// Names are identities: what spec_name prints, parse_spec reads back, and what it refuses it names.
#include "codegen/kernel_spec.h"

#include <gtest/gtest.h>

#include "codegen/kernel_builder.h"
#include "codegen/matmul_plans.h"

namespace bitnetc {
namespace {

TEST(KernelSpec, NamesReadBack) {
  const std::pair<KernelSpec, const char*> cases[] = {
      {MatmulSpec{.n = 3840, .k = 2560}, "matmul_i8_i2s_f32_n3840_k2560_m1_scale"},
      {MatmulSpec{.n = 32, .k = 20, .m = 8, .epilogue = Epilogue::kRelu2Mul},
       "matmul_i8_i2s_f32_n32_k20_m8_relu2mul"},
      {MatmulSpec{.n = 64, .k = 36, .m = kAnyM, .layout = LayoutId::kTl2},
       "matmul_i8_tl2_f32_n64_k36_mN_scale"},
      {MatmulSpec{
           .n = 64, .k = 36, .m = 3, .layout = LayoutId::kTl1, .epilogue = Epilogue::kSiluMul},
       "matmul_i8_tl1_f32_n64_k36_m3_silumul"},
      {MatmulSpec{.n = 64, .k = 36, .layout = LayoutId::kB3, .epilogue = Epilogue::kGeluMul},
       "matmul_i8_b3_f32_n64_k36_m1_gelumul"},
      {MatmulSpec{.n = 64, .k = 36, .epilogue = Epilogue::kSiluMul, .row_absmax = true},
       "matmul_i8_i2s_f32_n64_k36_m1_silumul_rowmax"},
      {QuantizeSpec{.k = 6912}, "quant_f32_i8_k6912"},
      {RmsNormSpec{.k = 640, .eps = 1e-6f, .residual = true}, "rmsnorm_f32_k640_eps1e-06_residual"},
      {EmbedSpec{.k = 640, .type = FloatType::kBf16, .scale = 25.298222f},
       "embed_f32_bf16_k640_scale25.298222"},
      {GluSpec{.n = 3072, .epilogue = Epilogue::kGeluMul}, "glu_f32_gelumul_n3072"},
      {QuantizeSpec{.k = 4096, .find_absmax = true}, "quant_f32_i8_k4096_absmax"},
      {TablesSpec{.k = 2560, .layout = LayoutId::kTl2, .form = TableForm::kBytes},
       "tables_i8_tl2_bytes_k2560"},
      {NormQuantizeSpec{.k = 2560, .eps = 1e-5f}, "normquant_f32_i8_k2560_eps1e-05"},
      {RmsNormSpec{.k = 640, .eps = 1e-6f}, "rmsnorm_f32_k640_eps1e-06"},
      {HeadNormSpec{.heads = 20, .head_dim = 128, .eps = 1e-6f}, "headnorm_f32_h20_d128_eps1e-06"},
      {RopeAppendSpec{.q_heads = 20, .kv_heads = 5, .head_dim = 128},
       "ropeappend_f32_q20_kv5_d128"},
      {AttentionSpec{.head_dim = 128, .scale = 0.088388346f},
       "attention_f32_d128_g1_wall_scale0.088388346"},
      {AttentionSpec{.head_dim = 128, .scale = 0.088388346f, .kv_type = KvType::kF32},
       "attention_f32_d128_g1_wall_scale0.088388346_kvf32"},
      {AttentionSpec{.head_dim = 64, .window = 16, .scale = 0.125f, .kv_type = KvType::kI8},
       "attention_f32_d64_g1_w16_scale0.125_kvi8"},
      {RopeAppendSpec{.q_heads = 20, .kv_heads = 5, .head_dim = 128, .kv_type = KvType::kF32},
       "ropeappend_f32_q20_kv5_d128_kvf32"},
      {RopeAppendSpec{.q_heads = 20, .kv_heads = 5, .head_dim = 128, .kv_type = KvType::kI8},
       "ropeappend_f32_q20_kv5_d128_kvi8"},
      {EmbedSpec{.k = 2560, .type = FloatType::kBf16}, "embed_f32_bf16_k2560"},
      {HeadSpec{.n = 128256, .k = 2560, .type = FloatType::kF16}, "head_f32_f16_n128256_k2560"},
  };
  for (const auto& [spec, name] : cases) {
    EXPECT_EQ(spec_name(spec), name);
    const auto parsed = parse_spec(name);
    ASSERT_TRUE(parsed.ok()) << parsed.status().message();
    EXPECT_EQ(*parsed, spec);
  }
}

void expect_refused(const std::string& name, const std::string& expected) {
  const Status status = parse_spec(name).status();
  EXPECT_EQ(status.code(), StatusCode::kInvalidArgument) << name;
  EXPECT_NE(status.message().find(expected), std::string::npos) << status.message();
}

TEST(KernelSpec, RefusalsNameThePart) {
  expect_refused("", "matmul, normquant");
  expect_refused("matmul_i8_i3s_f32_n16_k16_m1_scale", "'i3s'");
  expect_refused("matmul_i8_i2s_f32_nx_k16_m1_scale", "'nx'");
  expect_refused("matmul_i8_i2s_f32_n16_k16_m1_dance", "'dance'");
  expect_refused("matmul_i8_i2s_f32_n16_k16_m1_scale_more", "the end of the name");
  expect_refused("matmul_i8_i2s_f32_n16_k16_m1_scale_rowmax_more", "the end of the name");
  expect_refused("matmul_i8_i2s_f32_n16_k16_m1_scale_rowmaxi", "the end of the name");
  expect_refused("quant_f32_i8_k0", "k = 0");
  expect_refused("matmul_i8_i2s_f32_n17_k16_m1_scale", "n = 17 is not a multiple of 16");
  expect_refused("matmul_i8_i2s_f32_n16_k16_m1_relu2mul", "n = 16 is not a multiple of 32");
  expect_refused("matmul_i8_i2s_f32_n16_k16_m9_scale", "m = 9, expected 1..8");
  expect_refused("matmul_i8_i2s_f32_n16_k16_m0_scale", "'m0'");
  expect_refused("matmul_i8_i2s_f32_n16_k16_silumul", "'silumul'");
  expect_refused("matmul_i8_i2s_f32_n16_k16_m1_silumul", "n = 16 is not a multiple of 32");
  expect_refused("tables_i8_i2s_words_k64", "layout i2s has no tables");
  expect_refused("tables_i8_tl2_none_k64", "'none'");
  expect_refused("matmul_i8_i2s_f32_n16_k99999999999999999999_m1_scale", "'k99999999999999999999'");
  expect_refused("rmsnorm_f32_k0_eps1e-05", "k = 0");
  expect_refused("ropeappend_f32_q4_kv2_d63", "d = 63 is odd");
}

TEST(KernelPlan, NamesReadBack) {
  const KernelPlan plan = DirectPlan{.tiles_per_step = 2, .k_unroll = 8, .prefetch_bytes = 16384};
  EXPECT_EQ(plan_name(plan), "t2u8p16384");
  EXPECT_EQ(parse_plan("t2u8p16384").value(), plan);
  const KernelPlan blocked =
      PanelPlan{.tiles_per_step = 4, .k_unroll = 1, .block_k = 512, .tokens = 6};
  EXPECT_EQ(plan_name(blocked), "t4u1p0k512m6");
  EXPECT_EQ(parse_plan("t4u1p0k512m6").value(), blocked);
  EXPECT_EQ(PanelPlan::from(parse_plan("t1u4p0m2").value()).tokens, 2);
  EXPECT_EQ(PanelPlan::from(parse_plan("t1u4p0k64").value()).block_k, 64);
  EXPECT_EQ(plan_name(parse_plan("m128n64s4").value()), "m128n64s4");
  for (const char* name : {"", "t", "2", "t2u8p16384x", "t02u8p1", "t2u8p99999999999", "t1u4t1",
                           "t1u4p0k", "T1", "t 1", "t+1", "t1 ", "a1b1c1d1e1f1g1h1i1"})
    EXPECT_FALSE(parse_plan(name).ok()) << name;
}

TEST(KernelPlan, ConvertsToItsFieldsAndBack) {
  const PanelPlan panel{.tiles_per_step = 4, .k_unroll = 1, .prefetch_bytes = 2048, .tokens = 6};
  EXPECT_EQ(plan_name(panel), "t4u1p2048m6");
  EXPECT_EQ(PanelPlan::from(panel), panel);
  EXPECT_EQ(DirectPlan::from(KernelPlan()), DirectPlan());
  EXPECT_EQ(PanelPlan::from(KernelPlan()), PanelPlan());
  EXPECT_EQ(plan_name(KernelPlan()), "");
  EXPECT_EQ(default_plan(kIgnoredFields), KernelPlan(DirectPlan()));
}

// What the plans of a GPU's family might look like.
TEST(KernelPlan, AFamilyDeclaresItsFields) {
  constexpr int kTiles[] = {64, 128};
  const PlanField fields[] = {
      {.letter = 'm', .name = "block_m", .meaning = "", .standard = 128, .worth_trying = kTiles},
      {.letter = 'n', .name = "block_n", .meaning = "", .standard = 64},
      {.letter = 's', .name = "stages", .meaning = "", .standard = 4, .is_optional = true}};
  EXPECT_EQ(plan_name(default_plan(fields)), "m128n64");
  const KernelPlan plan = with_value(fields, default_plan(fields), 's', 2);
  EXPECT_EQ(plan_name(plan), "m128n64s2");
  EXPECT_EQ(plan_name(with_value(fields, plan, 'm', 64)), "m64n64s2");
  EXPECT_EQ(plan_name(with_value(fields, plan, 's', 4)), "m128n64");
  EXPECT_EQ(find_field(fields, 's')->of(default_plan(fields)), 4);
  EXPECT_EQ(find_field(fields, 't'), nullptr);
  EXPECT_TRUE(check_plan(plan, fields, "gpu").ok());
  EXPECT_TRUE(check_plan({}, fields, "gpu").ok());
  const std::pair<const char*, const char*> refused[] = {
      {"m128n64t1", "plan m128n64t1: gpu has no field t, its fields are m n s"},
      {"m128s2", "plan m128s2: gpu needs field n (block_n)"},
      {"n64m128", "plan n64m128: the fields of gpu come in the order m n s"},
      {"m128n64s4", "plan m128n64s4: stages of gpu is 4 where field s is left out"}};
  for (const auto& [name, message] : refused) {
    const Status status = check_plan(parse_plan(name).value(), fields, "gpu");
    EXPECT_EQ(status.code(), StatusCode::kUnsupported);
    EXPECT_EQ(status.message(), message);
  }
}

// Plans of one family, by value: what the tuner's sets rely on.
TEST(KernelPlan, OrdersByItsFields) {
  const auto plan = [](const char* name) { return parse_plan(name).value(); };
  EXPECT_LT(plan("t1u4p0"), plan("t2u1p0"));
  EXPECT_LT(plan("t1u4p0"), plan("t1u4p1024"));
  EXPECT_LT(plan("t1u4p0"), plan("t1u4p0k64"));
  EXPECT_LT(plan("t1u4p0k64"), plan("t1u4p0k512"));
  EXPECT_EQ(plan("t1u4p0"), KernelPlan(DirectPlan()));
}

TEST(KernelName, SaysSpecPlanAndGenerator) {
  const auto reference =
      parse_kernel_name("matmul_i8_i2s_f32_n16_k16_m1_scale_t1u4p0_reference").value();
  EXPECT_EQ(spec_name(reference.spec), "matmul_i8_i2s_f32_n16_k16_m1_scale");
  EXPECT_EQ(plan_name(*reference.plan), "t1u4p0");
  EXPECT_EQ(reference.generator, "reference");
  const auto bare = parse_kernel_name("rmsnorm_f32_k64_eps1e-05").value();
  EXPECT_FALSE(bare.plan.has_value());
  EXPECT_EQ(bare.generator, "");
  EXPECT_FALSE(parse_kernel_name("rmsnorm_f32_k64_eps1e-05_quantum").ok());
  const auto row_absmax =
      parse_kernel_name("matmul_i8_i2s_f32_n16_k16_mN_scale_rowmax_t1u4p0_reference").value();
  EXPECT_TRUE(std::get<MatmulSpec>(row_absmax.spec).row_absmax);
  EXPECT_EQ(row_absmax.generator, "reference");
}

}  // namespace
}  // namespace bitnetc
