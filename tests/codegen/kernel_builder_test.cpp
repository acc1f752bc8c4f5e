// Selection: for any target, on any machine, which generator is asked first, and what the others
// said.
#include "codegen/kernel_builder.h"

#include <gtest/gtest.h>

#include <map>
#include <set>

#include "codegen/matmul_plans.h"
#include "runtime/cpu_features.h"
#include "tests/support/collected_notes.h"
#include "tests/support/generators.h"

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
  EXPECT_EQ(first_choice(AttentionSpec{.head_dim = 128, .scale = 1}, Isa::kAvx512Vnni),
            "x64_attention_avx512");
  EXPECT_EQ(first_choice(AttentionSpec{.head_dim = 128, .scale = 1}, Isa::kAvx2),
            "x64_attention_avx2");
  EXPECT_EQ(first_choice(AttentionSpec{.head_dim = 100, .scale = 1}, Isa::kAvx2),
            "static_attention_avx2");
}
#endif

#ifdef __x86_64__
// As KernelBuilder::build: a generator may serve one M with its kernel for any M.
std::string first_choice_for(MatmulSpec spec, Isa isa) {
  MatmulSpec any = spec;
  any.m = kAnyM;
  for (const auto& generator : KernelBuilder::generators())
    for (const MatmulSpec& each : {spec, any})
      if (generator->accepts({each, {}, target_for(isa)}).ok())
        return std::string(generator->name());
  return "none";
}

struct Choices {
  Isa isa;
  const char* i2s_few;  // i2_s, 1 to 8 tokens
  const char* many;     // all layouts for any number, and what no other kernel serves
};

// tl1, tl2 and b3, 1 to 8 tokens, by the order of the list alone; null: as for any number.
const char* words_choice(Isa isa, LayoutId layout, int m) {
  const bool b3 = layout == LayoutId::kB3;
  switch (isa) {
    case Isa::kScalar: return nullptr;
    case Isa::kAvx2:
      if (b3) return m == 1 ? "x64_lut_avx2" : nullptr;
      return m <= 4 ? "x64_matmul_words_avx2" : nullptr;
    case Isa::kAvxVnni: return m <= 4 ? "x64_matmul_words_avxvnni" : nullptr;
    case Isa::kAvx512Vnni:
    case Isa::kAmx: break;
  }
  return "x64_matmul_words_avx512vnni";
}

TEST(Selection, EveryLayoutTierAndTokenCountByName) {
  constexpr Choices kChoices[] = {
      {Isa::kScalar, "reference", "reference"},
      {Isa::kAvx2, "x64_matmul_i2s_avx2", "x64_panel_avx2"},
      {Isa::kAvxVnni, "x64_matmul_i2s_avxvnni", "x64_panel_avxvnni"},
      {Isa::kAvx512Vnni, "x64_matmul_i2s_avx512vnni", "x64_panel_avx512vnni"},
      {Isa::kAmx, "x64_matmul_i2s_avx512vnni", "x64_panel_amx"}};
  for (const Choices& choices : kChoices) {
    for (const LayoutId layout : kLayouts) {
      for (const Epilogue epilogue : kEpilogues) {
        MatmulSpec spec{.n = 2560, .k = 6912, .layout = layout, .epilogue = epilogue};
        for (spec.m = kAnyM; spec.m <= kMaxSmallM; ++spec.m) {
          const char* few = layout == LayoutId::kI2S ? choices.i2s_few
                                                     : words_choice(choices.isa, layout, spec.m);
          EXPECT_EQ(first_choice_for(spec, choices.isa),
                    spec.m != kAnyM && few != nullptr ? few : choices.many)
              << spec_name(spec) << " on " << isa_name(choices.isa);
        }
      }
    }
  }
}

// The tables of the lookup kernels, each form from its tier.
TEST(Selection, TablesByName) {
  for (const LayoutId layout : {LayoutId::kTl1, LayoutId::kTl2, LayoutId::kB3}) {
    const TablesSpec words{.k = 2560, .layout = layout, .form = TableForm::kWords};
    const TablesSpec bytes{.k = 2560, .layout = layout, .form = TableForm::kBytes};
    EXPECT_EQ(first_choice(words, Isa::kAvx512Vnni), "x64_tables_avx512");
    EXPECT_EQ(first_choice(bytes, Isa::kAvx2), "x64_tables_avx2");
    EXPECT_EQ(first_choice(bytes, Isa::kScalar), "reference");
  }
}
#endif

// Whatever the layout and the number of tokens: someone serves it on every target, no tier is asked
// for that the target lacks, and a better target never gets a generator further down the list.
TEST(Selection, EveryLayoutTierAndTokenCount) {
  constexpr Isa kIsas[] = {Isa::kScalar, Isa::kAvx2, Isa::kAvxVnni, Isa::kAvx512Vnni, Isa::kAmx};
  const auto& generators = KernelBuilder::generators();
  for (const LayoutId layout : kLayouts) {
    for (int m = kAnyM; m <= kMaxSmallM; ++m) {
      for (const Epilogue epilogue : kEpilogues) {
        const MatmulSpec spec{.n = 2560, .k = 2560, .m = m, .layout = layout, .epilogue = epilogue};
        EXPECT_EQ(first_choice(spec, Isa::kScalar), "reference") << spec_name(spec);
        size_t last = generators.size() - 1;
        for (const Isa isa : kIsas) {
          size_t choice = 0;
          while (!generators[choice]->accepts({spec, {}, target_for(isa)}).ok()) ++choice;
          EXPECT_LE(choice, last) << spec_name(spec) << " on " << isa_name(isa);
          last = choice;
        }
      }
    }
  }
}

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

TEST(Selection, IsToldWhereItIsAskedFor) {
  test::CollectedNotes notes;
  ASSERT_TRUE(KernelBuilder({.notes = &notes}).build({kMatmul, {}, host_target()}).ok());
  EXPECT_EQ(notes.take(), "");
  KernelBuilder builder({.explain = true, .notes = &notes});
  const auto built = builder.build({kMatmul, {}, host_target()});
  ASSERT_TRUE(built.ok()) << built.status().message();
  EXPECT_EQ(notes.kinds(), std::vector{NoteKind::kSelection});
  EXPECT_EQ(notes.take(), fmt::format("{}: {}", built->kernel.name(), built->selection.describe()));
}

// Where executable memory is refused a kernel compiled ahead of time serves, and the reason is on
// record.
TEST(Selection, WithoutExecutableMemoryItSaysSo) {
  const BuildSettings without_jit{.fastest = GeneratorKind::kCompiled};
  EXPECT_EQ(generated_code_available(without_jit).code(), StatusCode::kUnsupported);
  KernelBuilder builder(without_jit);
  const auto built = builder.build({kMatmul, {}, host_target()});
  ASSERT_TRUE(built.ok()) << built.status().message();
  if (host_target().supports(Isa::kAvx2)) {
    EXPECT_TRUE(built->generator.starts_with("static_matmul_")) << built->generator;
    EXPECT_NE(built->selection.describe().find("BITNETC_JIT"), std::string::npos)
        << built->selection.describe();
  }
}

// A request for one M may be answered with a kernel for any M; the answer says so, and so does the
// name.
TEST(Selection, NamesTellWhetherAKernelIsForAnyM) {
  KernelBuilder builder;
  for (const LayoutId layout : kLayouts) {
    for (const int m : {1, 2, 5, 8, kAnyM}) {
      const MatmulSpec spec{.n = 32, .k = 64, .m = m, .layout = layout};
      const auto built = builder.build({spec, {}, host_target()});
      ASSERT_TRUE(built.ok()) << built.status().message();
      const std::string& name = built->kernel.name();
      const auto identity = parse_kernel_name(name);
      ASSERT_TRUE(identity.ok()) << identity.status().message();
      const auto& served = std::get<MatmulSpec>(identity->spec);
      EXPECT_TRUE(served.m == m || served.m == kAnyM) << name;
      EXPECT_EQ(served.layout, layout) << name;
    }
  }
}

#ifdef __x86_64__
TEST(Selection, AKernelForAnyMIsTakenWhereItStandsHigher) {
  const Target here = host_target();
  if (!here.supports(Isa::kAvx2)) GTEST_SKIP() << "this CPU lacks avx2: nothing but the reference";
  // The sums of K this long may overflow an accumulator of the kernels for few tokens, not those of
  // a panel.
  const MatmulSpec five{.n = 16, .k = int64_t{1} << 21, .m = 5};
  const auto built = KernelBuilder().build({five, {}, here});
  ASSERT_TRUE(built.ok()) << built.status().message();
  EXPECT_TRUE(built->generator.starts_with("x64_panel_")) << built->generator;
  EXPECT_NE(built->kernel.name().find("_mN_"), std::string::npos) << built->kernel.name();
  EXPECT_EQ(built->selection.entries.back().outcome, "taken");
}
#endif

// ---- names

std::vector<KernelSpec> one_of_each_operation() {
  std::vector<KernelSpec> specs = {
      NormQuantizeSpec{.k = 640, .eps = 1e-5f},
      QuantizeSpec{.k = 640},
      RmsNormSpec{.k = 640, .eps = 1e-6f},
      RopeAppendSpec{.q_heads = 4, .kv_heads = 2, .head_dim = 64},
      AttentionSpec{.head_dim = 64, .scale = 0.125f},
      RopeAppendSpec{.q_heads = 4, .kv_heads = 2, .head_dim = 64, .kv_type = KvType::kF32},
      RopeAppendSpec{.q_heads = 4, .kv_heads = 2, .head_dim = 64, .kv_type = KvType::kI8},
      AttentionSpec{.head_dim = 64, .scale = 0.125f, .kv_type = KvType::kF32},
      AttentionSpec{.head_dim = 64, .scale = 0.125f, .kv_type = KvType::kI8},
      HeadNormSpec{.heads = 4, .head_dim = 64, .eps = 1e-6f},
      GluSpec{.n = 640},
      EmbedSpec{.k = 640},
      HeadSpec{.n = 1000, .k = 640},
      ScreenSpec{.n = 1000, .k = 640},
      SparseUpSpec{.n = 640, .k = 640},
      SparseDownSpec{.n = 640, .k = 640}};
  for (const LayoutId layout : kLayouts) {
    for (const int m : {1, 4, 8, kAnyM})
      for (const Epilogue epilogue : kEpilogues)
        for (const bool row_absmax : {false, true})
          specs.emplace_back(MatmulSpec{.n = 64,
                                        .k = 640,
                                        .m = m,
                                        .layout = layout,
                                        .epilogue = epilogue,
                                        .row_absmax = row_absmax});
    if (layout == LayoutId::kI2S) continue;
    for (const TableForm form : {TableForm::kWords, TableForm::kBytes})
      specs.emplace_back(TablesSpec{.k = 640, .layout = layout, .form = form});
  }
  return specs;
}

// A GPU that the generator serves the request for; nothing: it declines on all.
std::optional<Target> gpu_target(const Generator& generator, const KernelSpec& spec,
                                 const KernelPlan& plan = {}) {
  for (const int sm : {75, 80, 86, 89, 90, 100, 120}) {
    const Target gpu{.architecture = Architecture::kCuda, .features = {}, .sm = sm};
    if (generator.accepts({spec, plan, gpu}).ok()) return gpu;
  }
  return std::nullopt;
}

// The name of every kernel that any generator makes leads back to its spec, its plan and a
// generator of the same suffix that makes it. (LLVM's tiers and the static kernels share suffixes.)
TEST(KernelNames, LeadBackForEveryGenerator) {
  const KernelPlan plans[] = {
      DirectPlan(),
      DirectPlan{.tiles_per_step = 2, .k_unroll = 8, .prefetch_bytes = 2048},
      PanelPlan{.tiles_per_step = 4, .k_unroll = 1, .block_k = 512},
      PanelPlan{.tiles_per_step = 1, .k_unroll = 4, .block_k = 320, .tokens = 6},
      PanelPlan{.tokens = 2},
      *parse_plan("w4"),
      *parse_plan("w4e2")};
  std::map<std::string, std::string> suffix_of;
  for (const auto& generator : KernelBuilder::generators())
    suffix_of[std::string(generator->name())] = generator->suffix();
  std::set<std::string> seen;
  for (const auto& generator : KernelBuilder::generators()) {
    for (const KernelSpec& spec : one_of_each_operation()) {
      for (const KernelPlan& plan : plans) {
        auto target = test::lowest_target(*generator, spec, plan);
        if (!target) target = gpu_target(*generator, spec, plan);
        if (!target) continue;
        seen.insert(std::string(generator->name()));
        const std::string name = kernel_name({spec, plan, *target}, *generator);
        const auto identity = parse_kernel_name(name);
        ASSERT_TRUE(identity.ok()) << identity.status().message();
        EXPECT_EQ(identity->spec, spec) << name;
        EXPECT_EQ(suffix_of[identity->generator], generator->suffix()) << name;
        if (std::holds_alternative<MatmulSpec>(spec))
          EXPECT_EQ(identity->plan, plan) << name;
        else
          EXPECT_FALSE(identity->plan) << name;
      }
    }
  }
  EXPECT_EQ(seen.size(), KernelBuilder::generators().size()) << "a generator that makes nothing";
}

// A plan without fields is the default of the family, and the name says which that is.
TEST(KernelNames, SayTheDefaultPlan) {
  KernelBuilder builder;
  const auto built = builder.build_with("reference", {kMatmul, {}, host_target()});
  ASSERT_TRUE(built.ok()) << built.status().message();
  EXPECT_EQ(built->kernel.name(), "matmul_i8_i2s_f32_n2560_k6912_m1_scale_t1u4p0_reference");
  const auto accepted =
      accepted_request(*find_generator("reference"), {kMatmul, {}, host_target()});
  ASSERT_TRUE(accepted.ok());
  EXPECT_EQ(plan_name(accepted->plan), "t1u4p0");
}

// Every generator of matmuls says which fields it lacks or wants, by name.
TEST(Selection, PlansOfOtherFamiliesAreRefused) {
  const KernelPlan gpu = parse_plan("m128n64s4").value(), half = parse_plan("t1u4").value();
  for (const auto& generator : KernelBuilder::generators()) {
    if (generator->plan_fields().empty()) continue;
    for (const KernelSpec& spec : one_of_each_operation()) {
      const auto target = test::lowest_target(*generator, spec);
      if (!target || !std::holds_alternative<MatmulSpec>(spec)) continue;
      const std::string name(generator->name());
      const auto refusal = [&](const KernelPlan& plan) {
        return generator->accepts({spec, plan, *target}).message();
      };
      EXPECT_TRUE(refusal(gpu).starts_with("plan m128n64s4: " + name + " has no field"))
          << refusal(gpu);
      EXPECT_EQ(refusal(half), "plan t1u4: " + name + " needs field p (prefetch_bytes)");
    }
  }
}

TEST(KernelNames, AnyMAndThePlanOfItsKernels) {
  const auto identity =
      parse_kernel_name("matmul_i8_tl2_f32_n3840_k2560_mN_silumul_t4u1p0k512m6_reference");
  ASSERT_TRUE(identity.ok()) << identity.status().message();
  EXPECT_EQ(identity->spec, (KernelSpec(MatmulSpec{.n = 3840,
                                                   .k = 2560,
                                                   .m = kAnyM,
                                                   .layout = LayoutId::kTl2,
                                                   .epilogue = Epilogue::kSiluMul})));
  EXPECT_EQ(
      identity->plan,
      (PanelPlan{
          .tiles_per_step = 4, .k_unroll = 1, .prefetch_bytes = 0, .block_k = 512, .tokens = 6}));
  EXPECT_EQ(identity->generator, "reference");
}

TEST(Selection, ImpossibleSpecsAndUnknownGeneratorsAreRefused) {
  KernelBuilder builder;
  EXPECT_EQ(builder.build({MatmulSpec{.n = 7, .k = 16}, {}, host_target()}).status().code(),
            StatusCode::kInvalidArgument);
  EXPECT_EQ(builder.build_with("x64_dream", {kMatmul, {}, host_target()}).status().code(),
            StatusCode::kNotFound);
}

TEST(Selection, AChosenGeneratorGoesFirstWithItsPlanAlsoForAnyM) {
  if (!host_target().supports(Isa::kAvx2)) GTEST_SKIP() << "no AVX2";
  KernelBuilder builder;
  const KernelPlan plan = DirectPlan{.tiles_per_step = 2, .k_unroll = 2, .prefetch_bytes = 1024};
  KernelRequest request{.spec = MatmulSpec{.n = 64, .k = 128, .m = 5},
                        .plan = plan,
                        .target = host_target(),
                        .any_m_plan = DirectPlan{.tiles_per_step = 1},
                        .generator = "x64_panel_avx2"};
  const auto built = builder.build(request);
  ASSERT_TRUE(built.ok()) << built.status().message();
  EXPECT_EQ(built->generator, "x64_panel_avx2");
  EXPECT_EQ(built->kernel.name(), "matmul_i8_i2s_f32_n64_k128_mN_scale_t2u2p1024_panel_avx2");
  ASSERT_EQ(built->selection.entries.size(), 1U);

  request.generator = "x64_dream";  // as from a profile of a build that has others
  const auto other = builder.build(request);
  ASSERT_TRUE(other.ok()) << other.status().message();
  EXPECT_NE(other->generator, "reference");
}

TEST(Selection, AKernelIsBuiltOnce) {
  KernelBuilder builder;
  const KernelRequest request{RmsNormSpec{.k = 64, .eps = 1e-5f}, {}, host_target()};
  const auto first = builder.build(request), second = builder.build(request);
  ASSERT_TRUE(first.ok() && second.ok());
  EXPECT_EQ(first->kernel.entry(), second->kernel.entry());
  EXPECT_EQ(second->build_ns, 0);
}

// Code for CPUs and code for GPUs are made by different generators, and each says so in one line.
TEST(Selection, AGeneratorServesCpusOrGpus) {
  const Target gpu{.architecture = Architecture::kCuda, .features = {}, .sm = 90};
  for (const auto& generator : KernelBuilder::generators()) {
    int served = 0;
    for (const KernelSpec& spec : one_of_each_operation()) {
      const bool on_cpus = test::lowest_target(*generator, spec).has_value();
      const bool on_gpus = gpu_target(*generator, spec).has_value();
      if (!on_cpus && !on_gpus) continue;
      ++served;
      EXPECT_NE(on_cpus, on_gpus) << generator->name();
      const Target other = on_cpus ? gpu : target_for(Isa::kAmx);
      const Status refusal = generator->accepts({spec, {}, other});
      EXPECT_EQ(refusal.code(), StatusCode::kUnsupported) << generator->name();
      EXPECT_TRUE(refusal.message().ends_with("target is " + other.describe()))
          << refusal.message();
      EXPECT_EQ(refusal.message().find('\n'), std::string::npos) << refusal.message();
    }
    EXPECT_GT(served, 0) << generator->name();
  }
}

TEST(Selection, AGpuWithoutKernelsGetsEveryRefusal) {
  const Target old{.architecture = Architecture::kCuda, .features = {}, .sm = 70};
  for (const KernelSpec& spec : one_of_each_operation()) {
    const auto built = KernelBuilder().build({spec, {}, old});
    ASSERT_FALSE(built.ok());
    EXPECT_NE(built.status().message().find("reference: runs on CPUs, target is sm_70"),
              std::string::npos)
        << built.status().message();
  }
  const Status refusal = find_generator("cuda_glu")->accepts({GluSpec{.n = 640}, {}, old});
  EXPECT_EQ(refusal.message(), "needs sm_75, target is sm_70");
}

// What cannot be proven is not handed out.
TEST(Selection, AKernelForAGpuNeedsTheDeviceThatProvesIt) {
  const Target gpu{.architecture = Architecture::kCuda, .features = {}, .sm = 90};
  const auto built = KernelBuilder().build_with("cuda_glu", {GluSpec{.n = 640}, {}, gpu});
  EXPECT_EQ(built.status().code(), StatusCode::kUnsupported);
  EXPECT_EQ(built.status().message(),
            "no device at hand that runs kernels for sm_90 and can prove them");
}

// What says where code comes from and what it does is the generator, not its name.
TEST(Generators, SayTheirKindAndCountTheirWork) {
  const Target best = target_for(Isa::kAmx);
  int references = 0;
  for (const auto& generator : KernelBuilder::generators()) {
    const bool is_reference = generator->kind() == GeneratorKind::kReference;
    references += is_reference ? 1 : 0;
    for (const LayoutId layout : kLayouts) {
      for (const int m : {1, 4, kAnyM}) {
        const MatmulSpec spec{.n = 96, .k = 2560, .m = m, .layout = layout};
        if (is_reference || !generator->accepts({spec, {}, best}).ok()) continue;
        const int64_t tokens = m == kAnyM ? 300 : m;
        const auto work = generator->work(spec, {}, tokens);
        SCOPED_TRACE(fmt::format("{} {} m{}", generator->name(), layout_name(layout), m));
        ASSERT_TRUE(work.has_value());
        EXPECT_TRUE(generator->accepts({spec, {}, target_for(work->tier)}).ok());
        EXPECT_EQ(work->passes, m == kAnyM ? 2 : 1);
        EXPECT_GT(work->decode_operations, 0);
        const bool looks_up = generator->table_form(spec) != TableForm::kNone;
        EXPECT_EQ(work->strategy == MatmulWork::Strategy::kLookUp, looks_up);
        EXPECT_EQ(work->tables_written > 0, looks_up);
        EXPECT_EQ(work->multiply_operations, looks_up ? 0 : int8_operations(spec, tokens));
        EXPECT_EQ(work->strategy == MatmulWork::Strategy::kPanel, m == kAnyM);
      }
    }
  }
  EXPECT_EQ(references, 1);
  EXPECT_EQ(KernelBuilder::generators().back()->kind(), GeneratorKind::kReference);
}

}  // namespace
}  // namespace bitnetc
