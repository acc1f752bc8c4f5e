// Matrices in any layout, stored or chosen at load: the same bits, and a report that says what
// happened.
#include <gtest/gtest.h>

#include <algorithm>
#include <cstring>

#include "compiler/compile.h"
#include "frontend/load.h"
#include "runtime/cpu_features.h"
#include "runtime/linked_steps.h"
#include "tests/support/engine_fixture.h"
#include "tests/support/model_folder.h"
#include "tests/support/tiers.h"

namespace bitnetc::test {
namespace {

// A layout of its own for every kind of matrix.
class LayoutByUse final : public PlanSource {
 public:
  KernelChoice choose(const KernelSpec& spec, const Target& target) const override {
    return HeuristicPlanSource().choose(spec, target);
  }
  LayoutId layout_for(const MatmulSpec& spec, const Target&) const override {
    if (spec.epilogue == Epilogue::kScale) return LayoutId::kTl1;
    return spec.epilogue == Epilogue::kResidual ? LayoutId::kB3 : LayoutId::kTl2;
  }
};

class Layouts : public testing::Test {
 protected:
  void SetUp() override { write_model(make_packed_model({}, 5), folder_.path() / "model"); }

  std::string compile_with(const PlanSource& plans) {
    const auto loaded = load_model((folder_.path() / "model").string());
    EXPECT_TRUE(loaded.ok()) << loaded.status().message();
    const std::string path = folder_.file(fmt::format("model{}.bnc", files_++));
    const auto report = compile(loaded->graph, path, {.target = host_target(), .plans = &plans});
    EXPECT_TRUE(report.ok()) << report.status().message();
    return path;
  }
  std::string compile_with(LayoutId layout) {
    return compile_with(LayoutOverride(HeuristicPlanSource(), layout));
  }

  std::shared_ptr<const Executable> link_with(const std::string& path, const LinkOptions& options) {
    KernelBuilder builder;
    report_ = {};
    auto executable = link(CompiledModel::open(path).value(), builder, options, &report_);
    EXPECT_TRUE(executable.ok()) << executable.status().message();
    return executable.value();
  }
  // As stored.
  std::shared_ptr<const Executable> link_with(const std::string& path, Isa isa) {
    const HeuristicPlanSource plans;
    return link_with(path, {.target = target_for(isa), .plans = &plans});
  }
  std::shared_ptr<const Executable> link_into(const std::string& path, Isa isa, LayoutId layout) {
    const HeuristicPlanSource heuristic;
    const LayoutOverride plans(heuristic, layout);
    return link_with(path, {.target = target_for(isa), .plans = &plans, .choose_layouts = true});
  }

  // Logits of a prompt taken at once, and of one more token alone.
  static std::vector<float> logits(std::shared_ptr<const Executable> executable) {
    constexpr int32_t kTokens[] = {318, 72, 101, 108, 108, 111, 33, 10, 0, 255, 99};
    auto session = make_session(std::move(executable), {.threads = 2});
    std::vector<float> all;
    for (const auto part : {std::span(kTokens).first(10), std::span(kTokens).last(1)}) {
      const Status status = session->append(part);
      EXPECT_TRUE(status.ok()) << status.message();
      all.insert(all.end(), session->logits().begin(), session->logits().end());
    }
    return all;
  }

  static LayoutId layout_of(const LinkedStep& step) {
    return std::get<MatmulSpec>(parse_kernel_name(step.kernel().name()).value().spec).layout;
  }
  static std::vector<const MatmulStep*> matmuls(const Executable& executable) {
    std::vector<const MatmulStep*> found;
    for (const auto& step : executable.steps)
      if (const auto* matmul = dynamic_cast<const MatmulStep*>(step.get())) found.push_back(matmul);
    return found;
  }
  static std::vector<const LinkedStep*> tables(const Executable& executable) {
    std::vector<const LinkedStep*> found;
    for (const auto& step : executable.steps)
      if (step->operation() == "tables") found.push_back(step.get());
    return found;
  }
  // Of a matmul: for any number of rows, and for each small one.
  static std::vector<std::string> kernel_names(const MatmulStep& step) {
    std::vector<std::string> names;
    for (int64_t rows = 0; rows <= kMaxBakedM; ++rows) names.push_back(step.kernel(rows).name());
    return names;
  }
  static int64_t reference_kernels(const MatmulStep& step) {
    return std::ranges::count_if(
        kernel_names(step), [](const std::string& name) { return name.ends_with("_reference"); });
  }

  TempFolder folder_;
  LinkReport report_;
  int files_ = 0;
};

void expect_equal(const std::vector<float>& a, const std::vector<float>& b,
                  const std::string& what) {
  ASSERT_EQ(a.size(), b.size());
  EXPECT_EQ(std::memcmp(a.data(), b.data(), a.size() * sizeof(float)), 0) << what;
}

TEST_F(Layouts, EveryMatrixMayHaveItsOwn) {
  const std::string mixed = compile_with(LayoutByUse());
  const auto model = CompiledModel::open(mixed).value();
  for (const Step& step : model->description().program.steps) {
    if (step.operation() != "matmul") continue;
    const auto spec = std::get<MatmulSpec>(parse_spec(step.kernel).value());
    EXPECT_EQ(spec.layout, LayoutByUse().layout_for(spec, host_target())) << step.name;
  }
  const auto expected = logits(link_with(compile_with(LayoutId::kI2S), Isa::kScalar));
  expect_equal(logits(link_with(mixed, Isa::kScalar)), expected, "scalar");
  expect_equal(logits(link_with(mixed, *host_target().best_tier())), expected, "host");
}

// The scalar tier has nothing but the reference, for every layout: nothing is repacked without
// being asked.
TEST_F(Layouts, AsStoredUnlessAnotherIsWanted) {
  const auto expected = logits(link_with(compile_with(LayoutId::kI2S), Isa::kScalar));
  for (const LayoutId stored : kLayouts) {
    const std::string path = compile_with(stored);
    const auto as_stored = link_with(path, Isa::kScalar);
    EXPECT_TRUE(report_.layout_changes.empty());
    EXPECT_TRUE(as_stored->repacked.empty());
    expect_equal(logits(as_stored), expected, std::string(layout_name(stored)));
    for (const LayoutId wanted : kLayouts) {
      const auto executable = link_into(path, Isa::kScalar, wanted);
      for (const MatmulStep* step : matmuls(*executable)) EXPECT_EQ(layout_of(*step), wanted);
      EXPECT_EQ(executable->repacked.empty(), stored == wanted);
      expect_equal(logits(executable), expected,
                   fmt::format("{} to {}", layout_name(stored), layout_name(wanted)));
    }
  }
}

TEST_F(Layouts, RepackingIsReported) {
  link_into(compile_with(LayoutId::kTl2), Isa::kScalar, LayoutId::kB3);
  ASSERT_EQ(report_.repacks().size(), 1u);
  EXPECT_EQ(report_.repacks()[0], "8 matrices are repacked from layout tl2 to b3 as asked for");
  report_.layout_changes = {
      {.stored = LayoutId::kTl2, .wanted = LayoutId::kTl2, .used = LayoutId::kI2S, .matrices = 4},
      {.stored = LayoutId::kI2S, .wanted = LayoutId::kB3, .used = LayoutId::kI2S, .matrices = 1}};
  EXPECT_EQ(
      report_.repacks()[0],
      "4 matrices are repacked from layout tl2 to i2s: this CPU has better kernels for it than "
      "for tl2");
  EXPECT_EQ(report_.repacks()[1],
            "1 matrices stay in layout i2s: this CPU has better kernels for it than for b3");
}

// Two matmuls in a row of one input: whatever tables the first one needs, the second finds in
// place.
TEST_F(Layouts, TablesAreMadeOncePerInput) {
  for (const LayoutId layout : kLayouts) {
    const std::string path = compile_with(layout), twice = folder_.file("twice.bnc");
    const auto reader = BncReader::open(path).value();
    nlohmann::json description = nlohmann::json::parse(reader->description_json());
    auto& steps = description["program"]["steps"];
    ASSERT_EQ(steps[2]["name"], "layers.0.qkv_proj");
    const nlohmann::json repeated = steps[2];
    steps.insert(steps.begin() + 3, repeated);
    auto writer = BncWriter::create(twice).value();
    for (const BncSection& section : reader->sections())
      ASSERT_TRUE(writer->add_section(section.name, reader->section(section.name).value()).ok());
    ASSERT_TRUE(writer->finish(description.dump()).ok());

    const auto expected = logits(link_with(path, *host_target().best_tier()));
    const auto executable = link_with(twice, *host_target().best_tier());
    const auto once = link_with(path, *host_target().best_tier());
    EXPECT_EQ(tables(*executable).size(), tables(*once).size());
    for (const LinkedStep* step : tables(*executable))
      EXPECT_FALSE(step->kernel().name().ends_with("_reference"))
          << step->name() << ": no fast kernel makes these tables";
    const MatmulStep &first = *matmuls(*executable)[0], &second = *matmuls(*executable)[1];
    EXPECT_EQ(first.operands().tables.bound(), second.operands().tables.bound());
    expect_equal(logits(executable), expected, std::string(layout_name(layout)));
  }
}

// A layout without kernels on a tier is no reason to be slow there.
TEST_F(Layouts, NoLayoutFallsBackToTheReferenceMoreThanI2s) {
  for (const Isa isa : tiers_here()) {
    if (isa == Isa::kScalar) continue;  // has nothing but the reference
    const auto i2s = link_with(compile_with(LayoutId::kI2S), isa);
    const auto expected = logits(i2s);
    for (const LayoutId stored : kLayouts) {
      const auto executable = link_with(compile_with(stored), isa);
      const auto here = matmuls(*executable), there = matmuls(*i2s);
      ASSERT_EQ(here.size(), there.size());
      for (size_t i = 0; i < here.size(); ++i)
        EXPECT_LE(reference_kernels(*here[i]), reference_kernels(*there[i]));
      EXPECT_EQ(executable->repacked.empty(), report_.layout_changes.empty());
      expect_equal(logits(executable), expected, std::string(layout_name(stored)));
    }
  }
}

TEST_F(Layouts, KernelsForAnyNumberOfTokensAreSharedAndStepsCountOnce) {
  for (const LayoutId stored : kLayouts) {
    const auto executable = link_with(compile_with(stored), *host_target().best_tier());
    for (const MatmulStep* step : matmuls(*executable)) {
      const std::vector<std::string> names = kernel_names(*step);
      EXPECT_NE(names[0].find("_mN_"), std::string::npos);
      for (const std::string& name : names) {
        if (name.find("_mN_") != std::string::npos) {
          EXPECT_EQ(name, names[0]);
        }
      }
    }
    for (const LinkedKernel& kernel : report_.kernels) {
      if (kernel.name.starts_with("screen")) continue;  // both kernels serve the same four steps
      int uses = 0;
      for (const auto& step : executable->steps) {
        // Linked beside the step that the program has, with the same kernel.
        if (dynamic_cast<const AttentionScoresStep*>(step.get()) != nullptr) continue;
        const auto* matmul = dynamic_cast<const MatmulStep*>(step.get());
        uses += matmul != nullptr ? std::ranges::count(kernel_names(*matmul), kernel.name) > 0
                                  : step->kernel().name() == kernel.name;
      }
      EXPECT_EQ(kernel.steps, uses) << kernel.name;
    }
  }
}

}  // namespace
}  // namespace bitnetc::test
