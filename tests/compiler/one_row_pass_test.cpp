// Which barriers passes of one row go without: those behind all quantisations of the families and
// those of early heads, and none that keeps a worker from what another has not finished.
#include "compiler/passes/one_row_pass.h"

#include <gtest/gtest.h>

#include <algorithm>
#include <atomic>
#include <cstring>
#include <map>
#include <thread>

#include "compiler/compile.h"
#include "runtime/cpu_features.h"
#include "tests/support/engine_fixture.h"

namespace bitnetc::test {
namespace {

class OneRowPassTest : public testing::Test {
 protected:
  OneRowPassTest() : executable_(bundled_executable(host_target())) {
    const ModelDescription& description = executable_->model->description();
    program_ = description.program;
    config_ = description.config;
  }

  OneRowPass find() const { return plan_one_row_pass(program_, config_); }

  Step& step(const std::string& name) {
    return *std::ranges::find(program_.steps, name, &Step::name);
  }
  // Of an operand of a step.
  int& buffer(Step& step, std::string_view operand) {
    return std::ranges::find(step.operands, operand, &StepOperand::name)->slice.buffer;
  }
  std::vector<std::string> names(const OneRowPass& found) const {
    std::vector<std::string> all;
    for (size_t i = 0; i < program_.steps.size(); ++i)
      if (found.done_by_each[i]) all.push_back(program_.steps[i].name);
    return all;
  }

  std::shared_ptr<const Executable> executable_;
  Program program_;
  ModelConfig config_;
};

bool is_quantisation(const Step& step) {
  return step.operation() == "normquant" || step.operation() == "quant";
}

TEST_F(OneRowPassTest, AreAllQuantisationsOfTheBundledModel) {
  const OneRowPass found = find();
  for (size_t i = 0; i < program_.steps.size(); ++i)
    EXPECT_EQ(found.done_by_each[i], is_quantisation(program_.steps[i])) << program_.steps[i].name;
  for (size_t b = 0; b < program_.buffers.size(); ++b) {
    const BufferInfo& info = program_.buffers[b];
    const bool is_quantised = info.type == ElementType::kI8 || info.type == ElementType::kI32 ||
                              info.name.ends_with(".scale");
    EXPECT_EQ(found.written_by_each[b], is_quantised) << info.name;
  }
}

TEST_F(OneRowPassTest, HasFourBarriersPerLayer) {
  const OneRowPass found = find();
  std::map<int, int> steps;  // by the layer that the name says
  for (size_t i = 0; i < program_.steps.size(); ++i) {
    const Step& step = program_.steps[i];
    const bool begins_early = found.has_early_heads[i] && step.operation() != "matmul";
    if (step.name.starts_with("layers.") && !found.done_by_each[i] && !begins_early)
      ++steps[std::stoi(step.name.substr(7))];
  }
  ASSERT_EQ(std::ssize(steps), config_.layers);
  for (const auto& [layer, count] : steps) EXPECT_EQ(count, 4) << "layer " << layer;
}

TEST_F(OneRowPassTest, HasNoEarlyHeadsWhereAttentionWritesWhatTheMatmulReads) {
  Step& attention = step("layers.1.attention");
  buffer(attention, "out") = buffer(step("layers.1.input_layernorm"), "x");
  const OneRowPass found = find();
  for (size_t i = 0; i < program_.steps.size(); ++i) {
    if (program_.steps[i].operation() != "attention") continue;
    EXPECT_EQ(found.has_early_heads[i], &program_.steps[i] != &attention);
  }
}

TEST_F(OneRowPassTest, HasNoEarlyHeadsWhereNormsStandBetween) {
  const auto rope = std::ranges::find(program_.steps, "ropeappend", &Step::operation);
  program_.steps.insert(rope, step("layers.0.attn_sub_norm"));
  const OneRowPass found = find();
  EXPECT_FALSE(found.has_early_heads[2]);
  EXPECT_TRUE(std::ranges::count(found.has_early_heads, true) == 3 * (config_.layers - 1));
}

TEST_F(OneRowPassTest, AreNoneWhoseInputTheNextStepWrites) {
  Step& norm = program_.steps[1];
  ASSERT_TRUE(is_quantisation(norm));
  buffer(program_.steps[2], "y") = buffer(norm, "x");
  const OneRowPass found = find();
  EXPECT_FALSE(found.done_by_each[1]);
  // Others write the same buffers of codes, of which there are no copies now.
  EXPECT_FALSE(found.written_by_each[static_cast<size_t>(buffer(norm, "q"))]);
}

TEST_F(OneRowPassTest, AreNoneWhoseResultIsReadAsOneOfAllWorkers) {
  Step& norm = program_.steps[1];
  buffer(program_.steps.back(), "hidden") = buffer(norm, "scale");
  for (const std::string& name : names(find()))
    EXPECT_NE(buffer(step(name), "scale"), buffer(norm, "scale")) << name;
}

// A step between two quantisations that each worker does is overtaken by those behind it, too.
TEST_F(OneRowPassTest, AreNoneWhoseInputALaterStepBeforeTheBarrierWrites) {
  const auto second = program_.steps.begin() + 2;  // the matmul behind the first norm
  Step again = program_.steps[1];
  buffer(again, "x") = buffer(*second, "y");
  program_.steps.insert(second, again);
  EXPECT_FALSE(find().done_by_each[2]);  // the matmul writes what it reads
  EXPECT_FALSE(find().done_by_each[1]);  // shares its buffers with it
}

// ---- the bits

// Heads of whole tiles, heads that share tiles with others, and more query heads than one.
constexpr ModelShape kShapes[] = {{},
                                  {.q_heads = 6, .kv_heads = 3, .head_dim = 20},
                                  {.q_heads = 5, .kv_heads = 5, .head_dim = 8},
                                  {.q_heads = 6, .kv_heads = 1, .head_dim = 36}};

std::shared_ptr<const Executable> link_shape(const ModelShape& shape) {
  const TempFolder folder;
  const LoadedModel loaded = load_shape(shape, folder.path() / "m");
  const HeuristicPlanSource plans;
  const auto report =
      compile(loaded.graph, folder.file("m.bnc"), {.target = host_target(), .plans = &plans});
  EXPECT_TRUE(report.ok()) << report.status().message();
  return link_file(folder.file("m.bnc"), host_target());
}

TEST(OneRowBits, DoNotDependOnTheWorkers) {
  for (const ModelShape& shape : kShapes) {
    const auto executable = link_shape(shape);
    const std::vector<float> expected =
        logits_of_each(**CpuExecutor::create(executable, {.threads = 1}), 40);
    for (const int threads : {2, 3, 5}) {
      const std::vector<float> got =
          logits_of_each(**CpuExecutor::create(executable, {.threads = threads}), 40);
      ASSERT_EQ(got.size(), expected.size());
      EXPECT_EQ(std::memcmp(got.data(), expected.data(), got.size() * sizeof(float)), 0)
          << threads << " threads, heads of " << shape.head_dim;
    }
  }
}

// What a cancelled pass has begun of its heads is not counted for the next one.
TEST(OneRowBits, AreThoseAfterCancelledPasses) {
  const auto executable = link_shape(kShapes[1]);
  const std::vector<float> expected =
      logits_of_each(**CpuExecutor::create(executable, {.threads = 1}), 3);
  const auto executor = *CpuExecutor::create(executable, {.threads = 3});
  for (int i = 0; i < 50; ++i) {
    Sequence sequence(executor->pool());
    const BatchRow row{.sequence = &sequence, .token = 7};
    CancelToken cancel = false;
    std::thread canceller([&] {
      for (int spins = 0; spins < 500 * i; ++spins)
        std::atomic_signal_fence(std::memory_order_seq_cst);
      cancel = true;
    });
    const Status status = executor->run(std::span(&row, 1), &cancel);
    canceller.join();
    EXPECT_TRUE(status.ok() || status.code() == StatusCode::kCancelled) << status.message();
    const std::vector<float> got = logits_of_each(*executor, 3);
    ASSERT_EQ(std::memcmp(got.data(), expected.data(), got.size() * sizeof(float)), 0) << i;
  }
}

}  // namespace
}  // namespace bitnetc::test
