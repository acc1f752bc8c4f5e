// Every generator of the build on every operation it serves, from the operation's declaration: all
// its samples and cases, between guard pages at either end of every operand, with the calling
// convention checked, against codegen/reference bit by bit. Kernels whose tier this CPU lacks are
// generated all the same; running them is skipped, loudly. Matmuls have tests of their own
// (matmul_conformance_test.cpp).
#include <gtest/gtest.h>

#include <algorithm>
#include <set>

#include "tests/support/guarded_memory.h"
#include "tests/support/kernel_call.h"
#include "tests/support/operation_engines.h"

namespace bitnetc {
namespace {

using test::Edge;
using test::GuardedMemory;
using test::OperationEngine;

// Zeros of either sign and subnormals among the inputs.
void sprinkle_small_values(proof::OperandBuffers& buffers) {
  constexpr float kSmall[] = {0.0f, -0.0f, 0x1p-140f, -0x1p-126f, 0x1.8p-127f};
  for (const Operand& operand : buffers.operands()) {
    if (operand.role != Role::kInput || operand.type != ElementType::kF32) continue;
    size_t turn = 0;
    const auto values = buffers.get<float>(operand.name);
    for (size_t i = 2; i < values.size(); i += 5) values[i] = kSmall[turn++ % std::size(kSmall)];
  }
}

class OperationConformance : public testing::TestWithParam<OperationEngine> {
 protected:
  const Generator& generator() const { return *GetParam().generator; }

  // The kernel, without its start-up proof: the tests are to find the error themselves. Null where
  // it may not run here.
  Kernel build(const KernelSpec& spec) {
    const auto target = test::lowest_target(generator(), spec);
    const KernelRequest request{.spec = spec, .plan = {}, .target = *target};
    auto kernel = generator().build(request, kernel_name(request, generator()), settings_);
    EXPECT_TRUE(kernel.ok()) << kernel.status().message();
    if (!kernel.ok()) return {};
    if (!test::runs_here(generator(), spec)) {
      lacking_ = target->name();
      return {};
    }
    ++run_;
    return *std::move(kernel);
  }

  template <typename Spec>
  void expect_exact(const Spec& spec, const Kernel& kernel, const proof::CallCase& call_case,
                    Edge edge, uint64_t seed) {
    SCOPED_TRACE(fmt::format("{}: {}, seed {}, edge {}", kernel.name(), call_case.name, seed,
                             edge == Edge::kEnd ? "end" : "begin"));
    const auto heap = proof::heap_memory();
    GuardedMemory guarded(edge);
    proof::Problem<Spec> expected(spec, call_case, seed, *heap);
    proof::Problem<Spec> got(spec, call_case, seed, guarded);
    if (seed % 2 == 0)
      for (auto* buffers : {&expected.buffers, &got.buffers}) sprinkle_small_values(*buffers);
    Operation<Spec>::kReference(spec, expected.args);
    ASSERT_EQ(test::call_kernel(kernel, &got.args), "");
    ASSERT_EQ(got.buffers.first_difference(expected.buffers), "");
    ASSERT_TRUE(guarded.slack_intact()) << "wrote beside an operand";
  }

  void expect_exact_everywhere(const KernelSpec& any) {
    const Kernel kernel = build(any);
    if (!kernel) return;
    std::visit(
        [&]<typename Spec>(const Spec& spec) {
          if constexpr (!std::is_same_v<Spec, MatmulSpec>) {
            uint64_t seed = 0;
            for (const proof::CallCase& call_case : Operation<Spec>::cases(spec))
              for (const Edge edge : {Edge::kEnd, Edge::kBegin})
                for (int repeat = 0; repeat < 2; ++repeat)
                  ASSERT_NO_FATAL_FAILURE(expect_exact(spec, kernel, call_case, edge, ++seed));
          }
        },
        any);
  }

  // Called last, when all that can be checked without the tier has been.
  void finish() const {
    if (run_ > 0 || lacking_.empty()) return;
    std::printf("SKIPPED RUNNING %s: this CPU lacks %s; its kernels were generated only\n",
                GetParam().name().c_str(), lacking_.c_str());
    GTEST_SKIP() << "this CPU lacks " << lacking_;
  }

  BuildSettings settings_;

 private:
  int run_ = 0;
  std::string lacking_;
};

GTEST_ALLOW_UNINSTANTIATED_PARAMETERIZED_TEST(OperationConformance);
INSTANTIATE_TEST_SUITE_P(Engines, OperationConformance,
                         testing::ValuesIn(test::operation_engines()),
                         [](const auto& instance) { return instance.param.name(); });

TEST_P(OperationConformance, EverySampleAndCase) {
  for (const KernelSpec& spec : GetParam().specs)
    ASSERT_NO_FATAL_FAILURE(expect_exact_everywhere(spec));
  finish();
}

// A register read before it is written holds a pattern then, not a lucky zero.
TEST_P(OperationConformance, PoisonedRegisters) {
  settings_.poison = true;
  for (size_t i = 0; i < GetParam().specs.size(); i += 5)
    expect_exact_everywhere(GetParam().specs[i]);
  finish();
}

// Without such a case the start-up proof would pass every kernel.
TEST(OperationConformanceList, EverySampleIsProvenAtStart) {
  test::for_each_sampled_operation([&]<typename Spec>() {
    for (const Spec& spec : Operation<Spec>::samples())
      EXPECT_TRUE(std::ranges::any_of(Operation<Spec>::cases(spec), &proof::CallCase::at_start))
          << Operation<Spec>::name(spec);
  });
}

// An operation that only the reference serves is compared with nothing: said, not passed over.
TEST(OperationConformanceList, OperationsWithTheReferenceOnly) {
  std::set<std::string_view> served;
  for (const OperationEngine& engine : test::operation_engines())
    served.insert(operation_name(engine.specs.front()));
  std::string alone;
  test::for_each_sampled_operation([&]<typename Spec>() {
    ASSERT_FALSE(Operation<Spec>::samples().empty()) << Operation<Spec>::kName;
    if (!served.contains(Operation<Spec>::kName))
      alone += fmt::format(" {}", Operation<Spec>::kName);
  });
  if (alone.empty()) return;
  std::printf("SKIPPED: this build has no kernels but the reference for%s\n", alone.c_str());
  GTEST_SKIP() << "reference only:" << alone;
}

}  // namespace
}  // namespace bitnetc
