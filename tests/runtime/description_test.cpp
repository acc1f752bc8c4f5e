// Numbers in a description that JSON allows and a model does not.
#include <gtest/gtest.h>

#include "runtime/compiled_model.h"

namespace bitnetc {
namespace {

ModelDescription small_description() {
  ModelDescription description;
  description.config = {.family = "bitnet",
                        .vocab_size = 7,
                        .hidden_size = 64,
                        .intermediate_size = 64,
                        .layers = 1,
                        .q_heads = 1,
                        .kv_heads = 1,
                        .head_dim = 64,
                        .max_positions = 16,
                        .rope_theta = 10000,
                        .norm_eps = 1e-5f};
  description.generation.stop_ids = {3};
  description.generation.top_k = 40;
  description.generation.suppress_tokens = {5, 6};
  description.generation.bad_words_ids = {{1}, {2, 3}};
  description.generation.no_repeat_ngram_size = 4;
  description.special_tokens = {{"eos_token", "</s>"}};
  description.program.buffers = {{.name = "h", .type = ElementType::kF32, .per_row = 64}};
  return description;
}

std::string replaced(std::string text, const std::string& from, const std::string& to) {
  const size_t at = text.find(from);
  EXPECT_NE(at, std::string::npos) << from << " in " << text;
  return text.replace(at, from.size(), to);
}

TEST(Description, ReadsWhatItPrints) {
  const auto read = parse_description(print_description(small_description()), "x");
  ASSERT_TRUE(read.ok()) << read.status().message();
  EXPECT_EQ(read->config.vocab_size, 7);
  EXPECT_EQ(read->generation.stop_ids, std::vector<int32_t>{3});
  EXPECT_EQ(read->generation.top_k, 40);
  EXPECT_EQ(read->generation.suppress_tokens, (std::vector<int32_t>{5, 6}));
  EXPECT_EQ(read->generation.bad_words_ids, (std::vector<std::vector<int32_t>>{{1}, {2, 3}}));
  EXPECT_EQ(read->generation.no_repeat_ngram_size, 4);
  EXPECT_EQ(read->special_tokens.at("eos_token"), "</s>");
}

TEST(Description, KeepsTheScalingOfRope) {
  ModelDescription description = small_description();
  EXPECT_EQ(print_description(description).find("rope_scaling"), std::string::npos);
  using Kind = RopeScaling::Kind;
  for (const RopeScaling& scaling : {RopeScaling{.kind = Kind::kLinear, .factor = 2},
                                     RopeScaling{.kind = Kind::kLlama3,
                                                 .factor = 8,
                                                 .original_positions = 8192,
                                                 .low_freq_factor = 1,
                                                 .high_freq_factor = 4},
                                     RopeScaling{.kind = Kind::kYarn,
                                                 .factor = 4,
                                                 .original_positions = 128,
                                                 .beta_fast = 32,
                                                 .beta_slow = 1,
                                                 .truncate = false,
                                                 .amplitude = 1.1}}) {
    description.config.rope_scaling = scaling;
    const std::string text = print_description(description);
    const auto read = parse_description(text, "x");
    ASSERT_TRUE(read.ok()) << read.status().message();
    EXPECT_EQ(read->config.rope_scaling, scaling) << describe(scaling);
    const std::string kind = fmt::format("\"kind\":\"{}\"", rope_scaling_name(scaling.kind));
    const auto unknown = parse_description(replaced(text, kind, "\"kind\":\"longrope\""), "x");
    ASSERT_FALSE(unknown.ok());
    EXPECT_NE(unknown.status().message().find("kind = 'longrope'"), std::string::npos);
  }
}

TEST(Description, KeepsWhatLayersHaveOfTheirOwn) {
  ModelDescription description = small_description();
  EXPECT_EQ(print_description(description).find("layer_facts"), std::string::npos);
  description.config.layer_facts = {
      {.window = 8,
       .rope_theta = 500,
       .rope_scaling = {.kind = RopeScaling::Kind::kLinear, .factor = 2}}};
  const std::string text = print_description(description);
  const auto read = parse_description(text, "x");
  ASSERT_TRUE(read.ok()) << read.status().message();
  EXPECT_EQ(read->config.layer_facts, description.config.layer_facts);
  for (const auto& [from, to] :
       {std::pair("\"window\":8", "\"window\":-8"), std::pair("\"layers\":1", "\"layers\":2")})
    EXPECT_FALSE(parse_description(replaced(text, from, to), "x").ok()) << to;
}

TEST(Description, RefusesNumbersThatAreNotWholeOrDoNotFit) {
  const std::string text = print_description(small_description());
  const std::pair<const char*, const char*> changes[] = {
      {"\"vocab_size\":7", "\"vocab_size\":1.1e79"}, {"\"vocab_size\":7", "\"vocab_size\":7.5"},
      {"\"per_row\":64", "\"per_row\":1e300"},       {"\"top_k\":40", "\"top_k\":1e12"},
      {"\"top_k\":40", "\"top_k\":99999999999"},     {"\"stop_ids\":[3]", "\"stop_ids\":[1e40]"},
      {"\"vocab_size\":7", "\"vocab_size\":true"},
  };
  for (const auto& [from, to] : changes) {
    const auto read = parse_description(replaced(text, from, to), "model.bnc");
    ASSERT_FALSE(read.ok()) << to;
    EXPECT_EQ(read.status().code(), StatusCode::kDataCorrupt);
    EXPECT_NE(read.status().message().find("expected a whole number"), std::string::npos)
        << read.status().message();
  }
}

}  // namespace
}  // namespace bitnetc
