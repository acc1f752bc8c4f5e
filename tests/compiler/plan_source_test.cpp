#include "compiler/plan_source.h"

#include <gtest/gtest.h>

#include "codegen/kernel_builder.h"
#include "codegen/matmul_plans.h"

namespace bitnetc {
namespace {

TEST(KernelChoice, PrintsAndReadsBack) {
  const KernelPlan plan = DirectPlan{.tiles_per_step = 2, .k_unroll = 8, .prefetch_bytes = 4096};
  const std::pair<KernelChoice, const char*> cases[] = {
      {{.plan = plan}, "t2u8p4096"},
      {{.plan = plan, .origin = ChoiceOrigin::kModelled}, "t2u8p4096 modelled"},
      {{.plan = plan, .generator = "x64_lut_avx2", .origin = ChoiceOrigin::kMeasured},
       "t2u8p4096 measured x64_lut_avx2"},
      {{.plan = plan, .generator = "x64_lut_avx2"}, "t2u8p4096 heuristic x64_lut_avx2"},
  };
  for (const auto& [choice, text] : cases) {
    EXPECT_EQ(print_choice(choice), text);
    const auto parsed = parse_choice(text);
    ASSERT_TRUE(parsed.ok()) << parsed.status().message();
    EXPECT_EQ(*parsed, choice);
  }
}

TEST(KernelChoice, RefusesAnythingElse) {
  for (const char* text :
       {"", "measured", "t2u8p4096 ", "t2u8p4096 guessed", "t2u8p4096 x64_lut_avx2",
        "t2u8p4096 heuristic", "t2u8p4096 measured x64_lut_avx2 more", "t2u8p4096  measured"})
    EXPECT_FALSE(parse_choice(text).ok()) << text;
}

#ifdef __x86_64__
constexpr const char* kUntuned =
    "avx2 i2s m1: x64_matmul_i2s_avx2 t2u4p4096\n"
    "avx2 i2s m2: x64_matmul_i2s_avx2 t1u8p8192\n"
    "avx2 i2s m3: x64_matmul_i2s_avx2 t1u8p8192\n"
    "avx2 i2s m5: x64_matmul_i2s_avx2 t1u8p8192\n"
    "avx2 tl1 m1: x64_matmul_words_avx2 t1u2p8192\n"
    "avx2 tl1 m2: x64_matmul_words_avx2 t1u2p8192\n"
    "avx2 tl1 m3: x64_matmul_words_avx2 t1u2p8192\n"
    "avx2 tl1 m5: x64_panel_avx2 t2u4p2048\n"
    "avx2 tl2 m1: x64_matmul_words_avx2 t1u2p8192\n"
    "avx2 tl2 m2: x64_matmul_words_avx2 t1u2p8192\n"
    "avx2 tl2 m3: x64_panel_avx2 t2u4p2048\n"
    "avx2 tl2 m5: x64_panel_avx2 t2u4p2048\n"
    "avx2 b3 m1: x64_lut_avx2 t2u4p4096\n"
    "avx2 b3 m2: x64_panel_avx2 t2u4p2048\n"
    "avx2 b3 m3: x64_panel_avx2 t2u4p2048\n"
    "avx2 b3 m5: x64_panel_avx2 t2u4p2048\n"
    "avxvnni i2s m1: x64_matmul_i2s_avxvnni t2u4p4096\n"
    "avxvnni i2s m2: x64_matmul_i2s_avxvnni t1u8p8192\n"
    "avxvnni i2s m3: x64_matmul_i2s_avxvnni t1u8p8192\n"
    "avxvnni i2s m5: x64_matmul_i2s_avxvnni t1u8p8192\n"
    "avxvnni tl1 m1: x64_matmul_words_avxvnni t1u2p8192\n"
    "avxvnni tl1 m2: x64_matmul_words_avxvnni t1u2p8192\n"
    "avxvnni tl1 m3: x64_matmul_words_avxvnni t1u2p8192\n"
    "avxvnni tl1 m5: x64_panel_avxvnni t2u4p2048k384\n"
    "avxvnni tl2 m1: x64_matmul_words_avxvnni t1u2p8192\n"
    "avxvnni tl2 m2: x64_matmul_words_avxvnni t1u2p8192\n"
    "avxvnni tl2 m3: x64_matmul_words_avxvnni t1u2p8192\n"
    "avxvnni tl2 m5: x64_panel_avxvnni t2u4p2048k384\n"
    "avxvnni b3 m1: x64_matmul_words_avxvnni t1u2p8192\n"
    "avxvnni b3 m2: x64_matmul_words_avxvnni t1u2p8192\n"
    "avxvnni b3 m3: x64_matmul_words_avxvnni t1u2p8192\n"
    "avxvnni b3 m5: x64_panel_avxvnni t2u4p2048k384\n"
    "no vbmi i2s m1: x64_matmul_i2s_avx512vnni t4u4p4096\n"
    "no vbmi i2s m2: x64_matmul_i2s_avx512vnni t4u4p4096\n"
    "no vbmi i2s m3: x64_matmul_i2s_avx512vnni t4u4p4096\n"
    "no vbmi i2s m5: x64_matmul_i2s_avx512vnni t2u4p4096\n"
    "no vbmi tl1 m1: x64_matmul_words_avx512vnni t4u4p4096\n"
    "no vbmi tl1 m2: x64_matmul_words_avx512vnni t4u4p4096\n"
    "no vbmi tl1 m3: x64_matmul_words_avx512vnni t4u4p4096\n"
    "no vbmi tl1 m5: x64_matmul_words_avx512vnni t2u4p4096\n"
    "no vbmi tl2 m1: x64_lut_avx512 t4u1p20480\n"
    "no vbmi tl2 m2: x64_panel_avxvnni t4u4p2048k384\n"
    "no vbmi tl2 m3: x64_panel_avxvnni t4u4p2048k384\n"
    "no vbmi tl2 m5: x64_panel_avxvnni t4u4p2048k384\n"
    "no vbmi b3 m1: x64_lut_avx512 t8u1p12288\n"
    "no vbmi b3 m2: x64_panel_avxvnni t4u4p2048k384\n"
    "no vbmi b3 m3: x64_panel_avxvnni t4u4p2048k384\n"
    "no vbmi b3 m5: x64_panel_avxvnni t4u4p2048k384\n"
    "avx512vnni i2s m1: x64_matmul_i2s_avx512vnni t4u4p4096\n"
    "avx512vnni i2s m2: x64_matmul_i2s_avx512vnni t4u4p4096\n"
    "avx512vnni i2s m3: x64_matmul_i2s_avx512vnni t4u4p4096\n"
    "avx512vnni i2s m5: x64_matmul_i2s_avx512vnni t2u4p4096\n"
    "avx512vnni tl1 m1: x64_matmul_words_avx512vnni t4u4p4096\n"
    "avx512vnni tl1 m2: x64_matmul_words_avx512vnni t4u4p4096\n"
    "avx512vnni tl1 m3: x64_matmul_words_avx512vnni t4u4p4096\n"
    "avx512vnni tl1 m5: x64_matmul_words_avx512vnni t2u4p4096\n"
    "avx512vnni tl2 m1: x64_matmul_words_avx512vnni t4u4p4096\n"
    "avx512vnni tl2 m2: x64_matmul_words_avx512vnni t4u4p4096\n"
    "avx512vnni tl2 m3: x64_matmul_words_avx512vnni t4u4p4096\n"
    "avx512vnni tl2 m5: x64_matmul_words_avx512vnni t2u4p4096\n"
    "avx512vnni b3 m1: x64_matmul_words_avx512vnni t4u4p4096\n"
    "avx512vnni b3 m2: x64_matmul_words_avx512vnni t4u4p4096\n"
    "avx512vnni b3 m3: x64_matmul_words_avx512vnni t4u4p4096\n"
    "avx512vnni b3 m5: x64_matmul_words_avx512vnni t2u4p4096\n"
    "amx i2s m1: x64_matmul_i2s_avx512vnni t4u4p4096\n"
    "amx i2s m2: x64_matmul_i2s_avx512vnni t4u4p4096\n"
    "amx i2s m3: x64_matmul_i2s_avx512vnni t4u4p4096\n"
    "amx i2s m5: x64_matmul_i2s_avx512vnni t2u4p4096\n"
    "amx tl1 m1: x64_matmul_words_avx512vnni t4u4p4096\n"
    "amx tl1 m2: x64_matmul_words_avx512vnni t4u4p4096\n"
    "amx tl1 m3: x64_matmul_words_avx512vnni t4u4p4096\n"
    "amx tl1 m5: x64_matmul_words_avx512vnni t2u4p4096\n"
    "amx tl2 m1: x64_matmul_words_avx512vnni t4u4p4096\n"
    "amx tl2 m2: x64_matmul_words_avx512vnni t4u4p4096\n"
    "amx tl2 m3: x64_matmul_words_avx512vnni t4u4p4096\n"
    "amx tl2 m5: x64_matmul_words_avx512vnni t2u4p4096\n"
    "amx b3 m1: x64_matmul_words_avx512vnni t4u4p4096\n"
    "amx b3 m2: x64_matmul_words_avx512vnni t4u4p4096\n"
    "amx b3 m3: x64_matmul_words_avx512vnni t4u4p4096\n"
    "amx b3 m5: x64_matmul_words_avx512vnni t2u4p4096\n";

// The kernel that runs where nothing was measured, by generator and plan, for a matrix that does
// not fit in L2.
TEST(HeuristicPlanSource, TheUntunedKernelsAreThese) {
  Target without_vbmi = target_for(Isa::kAvx512Vnni);
  without_vbmi.features.set(Feature::kAvx512Vbmi, false);
  const std::pair<const char*, Target> targets[] = {{"avx2", target_for(Isa::kAvx2)},
                                                    {"avxvnni", target_for(Isa::kAvxVnni)},
                                                    {"no vbmi", without_vbmi},
                                                    {"avx512vnni", target_for(Isa::kAvx512Vnni)},
                                                    {"amx", target_for(Isa::kAmx)}};
  const HeuristicPlanSource plans;
  std::string text;
  for (const auto& [name, target] : targets) {
    for (const LayoutId layout : kLayouts) {
      for (const int m : {1, 2, 3, 5}) {
        const MatmulSpec spec{.n = 3840, .k = 2560, .m = m, .layout = layout};
        MatmulSpec any = spec;
        any.m = kAnyM;
        const KernelChoice choice = plans.choose(spec, target);
        const auto taken = first_acceptance({.spec = spec,
                                             .plan = choice.plan,
                                             .target = target,
                                             .any_m_plan = plans.choose(any, target).plan,
                                             .generator = choice.generator});
        ASSERT_TRUE(taken.has_value());
        text += fmt::format("{} {} m{}: {} {}\n", name, layout_name(layout), m,
                            taken->generator->name(), plan_name(taken->request.plan));
      }
    }
  }
  EXPECT_EQ(text, kUntuned);
}
#endif

}  // namespace
}  // namespace bitnetc
