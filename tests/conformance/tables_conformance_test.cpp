// Every generator of lookup tables against codegen/reference, bit by bit: every layout and form,
// widths of models and ragged ones, extreme activations, sub-ranges of blocks, guard pages, ABI.
// Kernels whose tier this CPU lacks are generated all the same; running them is skipped, loudly.
#include <gtest/gtest.h>

#include <algorithm>
#include <random>

#include "codegen/reference/reference.h"
#include "runtime/rounding.h"
#include "tests/support/generators.h"
#include "tests/support/guarded_buffer.h"
#include "tests/support/kernel_call.h"

namespace bitnetc {
namespace {

using test::Edge;
using test::GuardedBuffer;

constexpr uint8_t kUntouched = 0x5b;

struct TablesEngine {
  const Generator* generator;
  LayoutId layout;
  TableForm form;

  std::string name() const {
    return fmt::format("{}_{}_{}", generator->name(), layout_name(layout), table_form_name(form));
  }
};

std::vector<TablesEngine> tables_engines() {
  std::vector<TablesEngine> engines;
  for (const auto& generator : KernelBuilder::generators()) {
    if (generator->kind() == GeneratorKind::kReference) continue;
    for (const LayoutId layout : kLayouts) {
      for (const TableForm form : {TableForm::kWords, TableForm::kBytes}) {
        const TablesSpec spec{.k = 2560, .layout = layout, .form = form};
        if (test::lowest_target(*generator, spec))
          engines.push_back({generator.get(), layout, form});
      }
    }
  }
  return engines;
}

enum class Values { kRandom, kAllMinus128, kAlternating };

class TablesConformance : public testing::TestWithParam<TablesEngine> {
 protected:
  TablesSpec spec(int64_t k) const {
    return {.k = k, .layout = GetParam().layout, .form = GetParam().form};
  }

  // Builds the kernel for K columns and runs it on the given parts of its blocks.
  void expect_exact(int64_t k, Values values, Edge edge, uint64_t seed) {
    const Generator& generator = *GetParam().generator;
    const TablesSpec spec = this->spec(k);
    const auto target = test::lowest_target(generator, spec);
    ASSERT_TRUE(target) << spec_name(spec);
    const KernelRequest request{spec, {}, *target};
    const auto kernel = generator.build(request, kernel_name(request, generator), settings_);
    ASSERT_TRUE(kernel.ok()) << kernel.status().message();
    if (!test::runs_here(generator, spec)) {
      lacking_ = target->name();
      return;
    }
    GuardedBuffer<int8_t> x(round_up(static_cast<size_t>(k), kQuantPad), edge);
    fill(x, k, values, seed);
    const auto bytes = static_cast<size_t>(spec.table_bytes());
    GuardedBuffer<uint8_t> tables(bytes, edge);
    const int64_t blocks = spec.blocks(), middle = blocks / 2;
    for (const auto& [begin, end] : {std::pair{int64_t{0}, blocks},
                                     {middle, middle},
                                     {middle, std::min(middle + 1, blocks)},
                                     {int64_t{0}, middle},
                                     {blocks - 1, blocks}}) {
      std::fill(tables.begin(), tables.end(), kUntouched);
      std::vector<uint8_t> expected(bytes, kUntouched);
      BuildTablesArgs args{
          .x = x.data(), .tables = expected.data(), .block_begin = begin, .block_end = end};
      reference::build_tables(spec, args);
      args.tables = tables.data();
      ASSERT_EQ(test::call_kernel(*kernel, &args), "");
      const auto differs = std::ranges::mismatch(expected, tables);
      ASSERT_TRUE(differs.in1 == expected.end())
          << kernel->name() << ", seed " << seed << ", blocks " << begin << ".." << end << ": byte "
          << differs.in1 - expected.begin() << " is " << int{*differs.in2}
          << ", the reference says " << int{*differs.in1};
      ASSERT_TRUE(tables.slack_intact() && x.slack_intact()) << kernel->name();
    }
  }

  void finish() const {
    if (lacking_.empty()) return;
    std::printf("SKIPPED RUNNING %s: this CPU lacks %s; its kernels were generated only\n",
                GetParam().name().c_str(), lacking_.c_str());
    GTEST_SKIP() << "this CPU lacks " << lacking_;
  }

  BuildSettings settings_;

 private:
  static void fill(GuardedBuffer<int8_t>& x, int64_t k, Values values, uint64_t seed) {
    std::mt19937 random(static_cast<uint32_t>(seed));
    for (int64_t i = 0; i < k; ++i) {
      int value = static_cast<int>(random() % 256) - 128;
      if (values == Values::kAllMinus128) value = -128;
      if (values == Values::kAlternating) value = i % 2 == 0 ? 127 : -128;
      x[static_cast<size_t>(i)] = static_cast<int8_t>(value);
    }
  }

  std::string lacking_;
};

GTEST_ALLOW_UNINSTANTIATED_PARAMETERIZED_TEST(TablesConformance);
INSTANTIATE_TEST_SUITE_P(Engines, TablesConformance, testing::ValuesIn(tables_engines()),
                         [](const auto& instance) { return instance.param.name(); });

TEST_P(TablesConformance, RaggedWidths) {
  for (int64_t k = 1; k <= 150; ++k)
    for (const Edge edge : {Edge::kEnd, Edge::kBegin})
      ASSERT_NO_FATAL_FAILURE(expect_exact(k, Values::kRandom, edge, static_cast<uint64_t>(k)));
  finish();
}

TEST_P(TablesConformance, WidthsOfModels) {
  for (const int64_t k :
       {256, 512, 640, 1024, 1536, 2560, 3200, 4096, 5460, 6912, 8640, 14336, 23040})
    ASSERT_NO_FATAL_FAILURE(expect_exact(k, Values::kRandom, Edge::kEnd, 2));
  finish();
}

TEST_P(TablesConformance, ExtremeActivations) {
  for (const Values values : {Values::kAllMinus128, Values::kAlternating})
    for (const int64_t k : {100, 640, 2560})
      ASSERT_NO_FATAL_FAILURE(expect_exact(k, values, Edge::kEnd, 3));
  finish();
}

TEST_P(TablesConformance, PoisonedRegisters) {
  settings_.poison = true;
  for (const int64_t k : {20, 100, 640}) expect_exact(k, Values::kRandom, Edge::kEnd, 4);
  finish();
}

}  // namespace
}  // namespace bitnetc
