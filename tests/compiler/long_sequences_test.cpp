// Attention over several chunks of 256 positions: few rows, whose chunks the workers share, and
// prompts, whose rows go in runs. Whatever the threads and however a sequence was cut into passes,
// the logits are those of the reference kernels on one thread, a row after the other, bit by bit.
#include <gtest/gtest.h>

#include <cstring>

#include "compiler/compile.h"
#include "frontend/load.h"
#include "runtime/cpu_features.h"
#include "runtime/executor.h"
#include "tests/support/engine_fixture.h"
#include "tests/support/model_folder.h"
#include "tests/support/tiers.h"

namespace bitnetc::test {
namespace {

using Logits = std::vector<float>;

constexpr int64_t kPositions = 800;

int32_t token_at(int64_t position) {
  return static_cast<int32_t>((position * position + 7 * position) % 320);
}

class LongSequences : public testing::Test {
 protected:
  static void SetUpTestSuite() {
    folder_ = std::make_unique<TempFolder>();
    write_model(make_packed_model({.q_heads = 8, .kv_heads = 2, .max_positions = kPositions}, 5),
                folder_->path() / "model");
    Graph graph = load_model((folder_->path() / "model").string())->graph;
    for (Node& node : graph.nodes)
      if (auto* attention = std::get_if<AttentionAttributes>(&node.attributes))
        attention->window = node.layer == 0 ? 300 : 0;
    const HeuristicPlanSource plans;
    const auto report =
        compile(graph, folder_->file("model.bnc"), {.target = host_target(), .plans = &plans});
    ASSERT_TRUE(report.ok()) << report.status().message();
    for (const Isa isa : tiers_here())
      executables_.push_back(link_file(folder_->file("model.bnc"), target_for(isa)));

    const auto executor = *CpuExecutor::create(executables_.front(), {.threads = 1});
    Sequence sequence(executor->pool());
    while (sequence.length() < kPositions) append(*executor, {{&sequence, 1}}, &expected_);
  }
  static void TearDownTestSuite() {
    executables_.clear();
    expected_.clear();
    folder_.reset();
  }

  struct Part {
    Sequence* sequence;
    int64_t rows;
  };
  // One pass. The logits of every row go to `logits`, or must be the expected ones.
  static void append(CpuExecutor& executor, const std::vector<Part>& parts,
                     std::vector<Logits>* logits = nullptr) {
    std::vector<BatchRow> batch;
    for (const Part& part : parts)
      for (int64_t i = 0; i < part.rows; ++i)
        batch.push_back({.sequence = part.sequence,
                         .token = token_at(part.sequence->length() + i),
                         .position = part.sequence->length() + i,
                         .need = {.kind = LogitsNeed::Kind::kAll}});
    const Status status = executor.run(batch);
    ASSERT_TRUE(status.ok()) << status.message();
    for (size_t i = 0; i < batch.size(); ++i) {
      const auto got = executor.scores(i).logits;
      if (logits != nullptr) {
        logits->emplace_back(got.begin(), got.end());
        continue;
      }
      const Logits& wanted = expected_[static_cast<size_t>(batch[i].position)];
      ASSERT_EQ(std::memcmp(got.data(), wanted.data(), got.size_bytes()), 0)
          << executor.threads() << " threads, position " << batch[i].position << ", row " << i
          << " of " << batch.size();
    }
  }

  // Calls body(executor) for 1 to 5 threads on every tier; of kScalar, which is slow, for 3.
  template <typename Body>
  static void for_each_executor(Body body) {
    for (int threads = 1; threads <= 5; ++threads)
      for (size_t i = threads == 3 ? 0 : 1; i < executables_.size(); ++i)
        ASSERT_NO_FATAL_FAILURE(body(**CpuExecutor::create(executables_[i], {.threads = threads})));
  }

  static std::unique_ptr<TempFolder> folder_;
  static std::vector<std::shared_ptr<const Executable>>
      executables_;                      // of every tier, kScalar first
  static std::vector<Logits> expected_;  // by position
};
std::unique_ptr<TempFolder> LongSequences::folder_;
std::vector<std::shared_ptr<const Executable>> LongSequences::executables_;
std::vector<Logits> LongSequences::expected_;

// A token at a time around the ends of chunks, between prompts of several lengths.
TEST_F(LongSequences, TokensAfterPromptsOnAnyNumberOfThreads) {
  for_each_executor([](CpuExecutor& executor) {
    Sequence sequence(executor.pool());
    for (const int64_t prompt : {250, 200, 47, 213}) {
      ASSERT_NO_FATAL_FAILURE(append(executor, {{&sequence, prompt}}));
      for (int i = 0; i < 15; ++i) ASSERT_NO_FATAL_FAILURE(append(executor, {{&sequence, 1}}));
    }
  });
}

// Rows of sequences of different lengths, one of which has a single chunk.
TEST_F(LongSequences, SequencesOfDifferentLengthsShareAPass) {
  for_each_executor([](CpuExecutor& executor) {
    Sequence shortest(executor.pool()), middle(executor.pool()), longest(executor.pool());
    for (int i = 0; i < 3; ++i)
      ASSERT_NO_FATAL_FAILURE(append(executor, {{&longest, 180}, {&middle, 70}}));
    ASSERT_NO_FATAL_FAILURE(append(executor, {{&middle, 46}, {&longest, 200}, {&shortest, 5}}));
    for (int i = 0; i < 4; ++i) {
      ASSERT_NO_FATAL_FAILURE(append(executor, {{&longest, 1}, {&shortest, 1}}));
      ASSERT_NO_FATAL_FAILURE(append(executor, {{&shortest, 1}, {&middle, 1}, {&longest, 2}}));
      ASSERT_NO_FATAL_FAILURE(append(executor, {{&middle, 3}}));
    }
  });
}

// Threads beyond the work there is.
TEST_F(LongSequences, MoreThreadsThanChunks) {
  const auto executor = *CpuExecutor::create(executables_.back(), {.threads = 24});
  Sequence sequence(executor->pool());
  ASSERT_NO_FATAL_FAILURE(append(*executor, {{&sequence, 256}}));
  for (int i = 0; i < 3; ++i) ASSERT_NO_FATAL_FAILURE(append(*executor, {{&sequence, 1}}));
  ASSERT_NO_FATAL_FAILURE(append(*executor, {{&sequence, 9}}));
}

}  // namespace
}  // namespace bitnetc::test
