// What generators say about plans (Generator::plan_fields, effective_plan), held against the code
// they make.
#include <gtest/gtest.h>

#include <algorithm>
#include <map>
#include <memory>
#include <vector>

#include "codegen/kernel_builder.h"
#include "codegen/matmul_plans.h"
#include "runtime/jit_observer.h"

namespace bitnetc {
namespace {

// The bytes of the last program that was published.
class LastCode final : public JitObserver {
 public:
  void on_publish(const PublishedCode& published) override {
    code_.assign(published.code.begin(), published.code.end());
  }
  std::vector<uint8_t> take() { return std::move(code_); }

 private:
  std::vector<uint8_t> code_;
};

std::vector<uint8_t> code_of(const Generator& generator, const KernelRequest& request) {
  LastCode last;
  const auto kernel =
      generator.build(request, kernel_name(request, generator), {.observer = &last});
  EXPECT_TRUE(kernel.ok()) << kernel.status().message();
  return last.take();
}

std::vector<MatmulSpec> specs() {
  std::vector<MatmulSpec> list;
  for (const MatmulSpec& shape : {MatmulSpec{.n = 96, .k = 2560},
                                  MatmulSpec{.n = 96, .k = 2560, .epilogue = Epilogue::kRelu2Mul},
                                  MatmulSpec{.n = 16, .k = 20}})
    for (const LayoutId layout : kLayouts)
      for (const int m : {1, kAnyM}) {
        list.push_back(shape);
        list.back().layout = layout;
        list.back().m = m;
      }
  return list;
}

bool has_plans(const Generator& generator) {
  return std::ranges::any_of(generator.plan_fields(),
                             [](const PlanField& field) { return !field.worth_trying.empty(); });
}

// Plans of the grids and between.
template <typename Body>
void for_each_plan(const Body& body) {
  for (const int tiles : {1, 2, 4, 8})
    for (const int unroll : {1, 2, 4, 7, 16})
      for (const int block_k : {0, 100, 256, 384, 1024})
        for (const int tokens : {0, 4})
          body(PanelPlan{.tiles_per_step = tiles,
                         .k_unroll = unroll,
                         .prefetch_bytes = 2048,
                         .block_k = block_k,
                         .tokens = tokens});
}

TEST(PlanGrid, PlansOfOneEffectivePlanMakeTheSameCode) {
  const Target target = target_for(Isa::kAmx);
  int merged = 0;
  for (const auto& generator : KernelBuilder::generators()) {
    if (!has_plans(*generator)) continue;
    for (const MatmulSpec& spec : specs()) {
      std::map<KernelPlan, std::vector<uint8_t>> code_by_plan;
      for_each_plan([&](const KernelPlan& plan) {
        const KernelRequest request{.spec = spec, .plan = plan, .target = target};
        if (!generator->accepts(request).ok()) return;
        const KernelPlan effective = generator->effective_plan(spec, plan);
        EXPECT_EQ(generator->effective_plan(spec, effective), effective) << plan_name(plan);
        KernelRequest in_its_place = request;
        in_its_place.plan = effective;
        EXPECT_TRUE(generator->accepts(in_its_place).ok()) << plan_name(effective);
        const auto [it, is_new] = code_by_plan.try_emplace(effective, code_of(*generator, request));
        if (is_new) return;
        ++merged;
        EXPECT_EQ(code_of(*generator, request), it->second)
            << generator->name() << " " << spec_name(spec) << " " << plan_name(plan) << " and "
            << plan_name(effective);
      });
    }
  }
  EXPECT_GT(merged, 500);
}

TEST(PlanGrid, FieldsOutsideTheGridAreReset) {
  const KernelPlan plan = PanelPlan{
      .tiles_per_step = 2, .k_unroll = 2, .prefetch_bytes = 1024, .block_k = 256, .tokens = 4};
  for (const auto& generator : KernelBuilder::generators()) {
    const PlanFields fields = generator->plan_fields();
    const KernelPlan effective = generator->effective_plan({.n = 96, .k = 2560}, plan);
    EXPECT_TRUE(check_plan(effective, fields, generator->name()).ok()) << plan_name(effective);
    for (const PlanField& each : fields) {
      EXPECT_TRUE(std::ranges::is_sorted(each.worth_trying));
      if (!each.worth_trying.empty()) continue;
      EXPECT_EQ(each.of(effective), each.standard) << generator->name() << " " << each.letter;
    }
  }
}

// A tuner takes values from the grids and puts them into plans: all of them make plans that the
// family itself reads.
TEST(PlanGrid, EveryValueMakesAPlanOfTheFamily) {
  for (const auto& generator : KernelBuilder::generators()) {
    const PlanFields fields = generator->plan_fields();
    for (const PlanField& field : fields) {
      EXPECT_FALSE(field.name.empty() || field.meaning.empty()) << generator->name();
      for (const int value : field.worth_trying) {
        const KernelPlan plan = with_value(fields, default_plan(fields), field.letter, value);
        EXPECT_EQ(field.of(plan), value);
        EXPECT_TRUE(check_plan(plan, fields, generator->name()).ok()) << plan_name(plan);
        const auto parsed = parse_plan(plan_name(plan));
        ASSERT_TRUE(parsed.ok());
        EXPECT_EQ(*parsed, plan);
      }
    }
  }
}

}  // namespace
}  // namespace bitnetc
