// Compiled models that somebody changed, with right checksums. Whatever was changed, a file is
// either refused with a message or runs, and then gives the same logits on every tier; nothing ends
// the process.
#include <gtest/gtest.h>

#include <cstring>
#include <map>
#include <optional>

#include "compiler/check_program.h"
#include "compiler/link.h"
#include "runtime/cpu_features.h"
#include "tests/support/bnc_mutation.h"
#include "tests/support/engine_fixture.h"
#include "tests/support/model_folder.h"
#include "tests/support/reference_model.h"
#include "tests/support/tiers.h"

namespace bitnetc::test {
namespace {

constexpr int32_t kTokens[] = {318, 72, 101, 108, 111};

class MutatedBnc : public testing::Test {
 protected:
  // The logits of the last token, or why there are none.
  Result<std::vector<float>> run(const std::shared_ptr<const CompiledModel>& model, Isa isa) {
    const HeuristicPlanSource plans;
    LinkReport report;
    BITNETC_ASSIGN_OR_RETURN(
        const auto executable,
        link(model, builders_[isa], {.target = target_for(isa), .plans = &plans}, &report));
    // As every user: no more context than asked for.
    BITNETC_ASSIGN_OR_RETURN(const auto session,
                             Session::create(executable, {.context_tokens = 8}));
    BITNETC_RETURN_IF_ERROR(session->append(kTokens));
    return std::vector<float>(session->logits().begin(), session->logits().end());
  }

  void change_and_run(const ModelFiles& files, uint64_t mutations);

  std::map<Isa, KernelBuilder> builders_;  // keep the proven kernels from file to file
};

void MutatedBnc::change_and_run(const ModelFiles& files, uint64_t mutations) {
  TempFolder folder;
  write_model(files, folder.path() / "m");
  compile_folder((folder.path() / "m").string(), folder.file("m.bnc"), host_target());
  const BncParts original = read_bnc_parts(folder.file("m.bnc"));
  const std::vector<Isa> tiers = tiers_here();
  std::map<std::string, int> outcomes;
  for (uint64_t seed = 0; seed < mutations; ++seed) {
    BncParts parts = original;
    const std::string what = fmt::format("seed {}: {}", seed, mutate(&parts, seed));
    SCOPED_TRACE(what);
    if (!write_bnc_parts(parts, folder.file("changed.bnc")).ok()) {
      ++outcomes["cannot be written"];
      continue;
    }
    const auto model = open_checked(folder.file("changed.bnc"));
    if (!model.ok()) {
      EXPECT_FALSE(model.status().message().empty());
      ++outcomes["refused when opened"];
      continue;
    }
    std::optional<Result<std::vector<float>>> first;
    for (const Isa isa : tiers) {
      auto logits = run(*model, isa);
      if (!first) {
        ++outcomes[logits.ok() ? "runs" : "refused when linked or run"];
        first = std::move(logits);
        continue;
      }
      ASSERT_EQ(logits.ok(), first->ok())
          << isa_name(isa) << ": " << logits.status().message() << first->status().message();
      if (!logits.ok()) continue;
      ASSERT_EQ(logits->size(), (*first)->size()) << isa_name(isa);
      EXPECT_EQ(std::memcmp(logits->data(), (*first)->data(), logits->size() * sizeof(float)), 0)
          << isa_name(isa);
    }
  }
  for (const auto& [outcome, count] : outcomes)
    fmt::print("[ MUTATED  ] {:5} files: {}\n", count, outcome);
  EXPECT_GT(outcomes["refused when opened"] + outcomes["refused when linked or run"],
            static_cast<int>(mutations / 4));
  EXPECT_GT(outcomes["runs"], 0);
}

TEST_F(MutatedBnc, IsRefusedOrRunsAlikeOnEveryTier) {
  change_and_run(make_packed_model({.hidden = 32,
                                    .intermediate = 48,
                                    .layers = 2,
                                    .q_heads = 2,
                                    .kv_heads = 1,
                                    .head_dim = 16,
                                    .max_positions = 16},
                                   9),
                 2600);
}

// What only text encoders and scaled rotations have in their files.
TEST_F(MutatedBnc, TextEncodersToo) {
  ModelFiles files = read_model_files(reference_folder("embedding-gemma3-odd"));
  files.config["rope_parameters"]["full_attention"].update(
      {{"rope_type", "yarn"}, {"factor", 4}, {"original_max_position_embeddings", 16}});
  change_and_run(files, 700);
}

}  // namespace
}  // namespace bitnetc::test
