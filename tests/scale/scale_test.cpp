// A small part of tools/check-scale: two tiny models under every pair of settings, what a
// difference is said to be, and that the chosen runs leave no pair out.
#include <fmt/format.h>
#include <gtest/gtest.h>

#include <set>

#include "frontend/synth.h"
#include "runtime/cpu_features.h"
#include "tests/scale/covering.h"
#include "tests/scale/digest_check.h"
#include "tests/scale/trace.h"
#include "tests/support/model_folder.h"
#include "tests/support/tiers.h"

namespace bitnetc::test {
namespace {

TEST(Covering, EveryPairOfLevelsIsInARow) {
  for (const std::vector<int>& levels :
       {std::vector{3, 7, 4, 3, 2, 2, 3}, std::vector{2, 2}, std::vector{5, 1, 3}}) {
    const auto rows = covering_rows(levels);
    int product = 1;
    for (const int count : levels) product *= count;
    EXPECT_LE(std::ssize(rows), product);
    for (size_t a = 0; a < levels.size(); ++a)
      for (size_t b = a + 1; b < levels.size(); ++b) {
        std::set<std::pair<int, int>> met;
        for (const auto& row : rows) met.emplace(row[a], row[b]);
        EXPECT_EQ(std::ssize(met), levels[a] * levels[b]) << "factors " << a << " and " << b;
      }
  }
}

Trace trace_of(std::vector<int32_t> ids, std::vector<float> logits) {
  return {.texts = {{.sampling = "greedy", .ids = std::move(ids)}},
          .logits = std::move(logits),
          .vocab = 2};
}

TEST(FirstDifference, NamesTheStepAndTheIds) {
  const Trace plain = trace_of({1, 0}, {0, 1, 3, 2});
  EXPECT_EQ(first_difference(plain, plain), "");
  EXPECT_EQ(first_difference(plain, trace_of({1, 0}, {})), "") << "only ids can be compared";
  EXPECT_EQ(first_difference(plain, trace_of({1, 1}, {})), "step 1: greedy takes id 0 and id 1");
  EXPECT_EQ(first_difference(plain, trace_of({1}, {})), "step 1: greedy takes id 0 and id none");
  EXPECT_EQ(first_difference(plain, trace_of({1, 1}, {0, 1, 3, 4})),
            "step 1: the logit of id 1 is 2 (40000000) and 4 (40800000); greedy takes id 0 and "
            "id 1");
  EXPECT_EQ(first_difference(trace_of({0}, {0.0f, -1}), trace_of({0}, {-0.0f, -1})),
            "step 0: the logit of id 0 is 0 (00000000) and -0 (80000000); greedy takes id 0 and "
            "id 0");
}

struct TinyModel {
  const char* name;
  SynthShape shape;
};

class Digests : public testing::TestWithParam<TinyModel> {};

TEST_P(Digests, AreTheSameUnderEverySetting) {
  const TempFolder folder;
  const std::string source = folder.file("model");
  const Status written =
      write_synth_folder({.shape = GetParam().shape, .seed = 3}, source, no_notes());
  ASSERT_TRUE(written.ok()) << written.message();
  const auto report = check_digests({.source = source,
                                     .folder = folder.path().string(),
                                     .factors = all_factors(tiers_here()),
                                     .prompt_tokens = 70,
                                     .steps = 12},
                                    [](const std::string& line) { fmt::print("{}\n", line); });
  ASSERT_TRUE(report.ok()) << report.status().message();
  EXPECT_GE(report->runs, 12);
  for (const std::string& difference : report->differences) ADD_FAILURE() << difference;
  EXPECT_GT(report->guessed, 0) << "guesses were not compared";
  if (host_target().supports(Isa::kAvx512Vnni)) {
    EXPECT_EQ(report->skipping_runs > 0, GetParam().shape.family == SynthFamily::kBitnet)
        << "skipped neurons were not compared, or there were none to skip";
  }
  if (host_target().supports(Isa::kAvx2)) {
    EXPECT_GT(report->screened_passes, 0) << "the screened head was not compared";
  }
}

// Squared ReLU with a head of the embedding's, SiLU with a head of its own.
INSTANTIATE_TEST_SUITE_P(TinyModels, Digests,
                         testing::Values(TinyModel{.name = "bitnet",
                                                   .shape = {.family = SynthFamily::kBitnet,
                                                             .hidden = 128,
                                                             .ffn = 224,
                                                             .layers = 2,
                                                             .heads = 4,
                                                             .kv_heads = 2,
                                                             .head_dim = 32,
                                                             .vocab = 1100,
                                                             .max_positions = 256}},
                                         TinyModel{.name = "one_bit_llm",
                                                   .shape = {.family = SynthFamily::kOneBitLlm,
                                                             .hidden = 192,
                                                             .ffn = 256,
                                                             .layers = 2,
                                                             .heads = 3,
                                                             .kv_heads = 3,
                                                             .head_dim = 64,
                                                             .vocab = 700,
                                                             .max_positions = 256}}),
                         [](const auto& model) { return std::string(model.param.name); });

}  // namespace
}  // namespace bitnetc::test
