// Which steps every worker does for itself: all quantisations of the families, and none whose
// result or input another worker could see half made.
#include "compiler/passes/done_by_each.h"

#include <gtest/gtest.h>

#include <algorithm>
#include <map>

#include "runtime/cpu_features.h"
#include "tests/support/engine_fixture.h"

namespace bitnetc::test {
namespace {

class DoneByEachTest : public testing::Test {
 protected:
  DoneByEachTest() : executable_(bundled_executable(host_target())) {
    const ModelDescription& description = executable_->model->description();
    program_ = description.program;
    config_ = description.config;
  }

  DoneByEach find() const { return find_done_by_each(program_, config_); }

  Step& step(const std::string& name) {
    return *std::ranges::find(program_.steps, name, &Step::name);
  }
  // Of an operand of a step.
  int& buffer(Step& step, std::string_view operand) {
    return std::ranges::find(step.operands, operand, &StepOperand::name)->slice.buffer;
  }
  std::vector<std::string> names(const DoneByEach& found) const {
    std::vector<std::string> all;
    for (size_t i = 0; i < program_.steps.size(); ++i)
      if (found.steps[i]) all.push_back(program_.steps[i].name);
    return all;
  }

  std::shared_ptr<const Executable> executable_;
  Program program_;
  ModelConfig config_;
};

bool is_quantisation(const Step& step) {
  return step.operation() == "normquant" || step.operation() == "quant";
}

TEST_F(DoneByEachTest, AreAllQuantisationsOfTheBundledModel) {
  const DoneByEach found = find();
  for (size_t i = 0; i < program_.steps.size(); ++i)
    EXPECT_EQ(found.steps[i], is_quantisation(program_.steps[i])) << program_.steps[i].name;
  for (size_t b = 0; b < program_.buffers.size(); ++b) {
    const BufferInfo& info = program_.buffers[b];
    const bool is_quantised = info.type == ElementType::kI8 || info.type == ElementType::kI32 ||
                              info.name.ends_with(".scale");
    EXPECT_EQ(found.buffers[b], is_quantised) << info.name;
  }
}

TEST_F(DoneByEachTest, LeaveSixBarriersPerLayer) {
  std::map<std::string, int> steps;  // by layer
  for (const auto& step : executable_->steps)
    if (!step->done_by_each() && step->name().starts_with("layers.") &&
        !step->name().ends_with(".scores"))  // of long sequences only
      ++steps[step->name().substr(0, step->name().find('.', 7))];
  ASSERT_EQ(std::ssize(steps), config_.layers);
  for (const auto& [layer, count] : steps) EXPECT_EQ(count, 6) << layer;
}

TEST_F(DoneByEachTest, AreNoneWhoseInputTheNextStepWrites) {
  Step& norm = program_.steps[1];
  ASSERT_TRUE(is_quantisation(norm));
  buffer(program_.steps[2], "y") = buffer(norm, "x");
  const DoneByEach found = find();
  EXPECT_FALSE(found.steps[1]);
  // Others write the same buffers of codes, of which there are no copies now.
  EXPECT_FALSE(found.buffers[static_cast<size_t>(buffer(norm, "q"))]);
}

TEST_F(DoneByEachTest, AreNoneWhoseResultIsReadAsOneOfAllWorkers) {
  Step& norm = program_.steps[1];
  buffer(program_.steps.back(), "hidden") = buffer(norm, "scale");
  for (const std::string& name : names(find()))
    EXPECT_NE(buffer(step(name), "scale"), buffer(norm, "scale")) << name;
}

// A step between two quantisations that each worker does is overtaken by those behind it, too.
TEST_F(DoneByEachTest, AreNoneWhoseInputALaterStepBeforeTheBarrierWrites) {
  const auto second = program_.steps.begin() + 2;  // the matmul behind the first norm
  Step again = program_.steps[1];
  buffer(again, "x") = buffer(*second, "y");
  program_.steps.insert(second, again);
  EXPECT_FALSE(find().steps[2]);  // the matmul writes what it reads
  EXPECT_FALSE(find().steps[1]);  // shares its buffers with it
}

}  // namespace
}  // namespace bitnetc::test
