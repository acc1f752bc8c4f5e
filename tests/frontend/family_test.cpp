// Families build graphs from any WeightSource: here from one that makes weights up.
#include "frontend/families/family.h"

#include <gtest/gtest.h>

#include <set>

#include "tests/support/expect_error.h"

namespace bitnetc::test {
namespace {

// Zero weights of whatever shape is asked for; remembers the names.
class MadeUpWeights final : public WeightSource {
 public:
  Result<TernarySource> ternary(const std::string& name, int64_t n, int64_t k) override {
    if (Status status = ask(name); !status.ok()) return status;
    return TernarySource{.name = name, .n = n, .k = k, .load = [n, k]() -> Result<TernaryMatrix> {
                           return TernaryMatrix{
                               .n = n,
                               .k = k,
                               .trits = std::vector<int8_t>(static_cast<size_t>(n * k)),
                               .scales = Scales::of_tensor(1)};
                         }};
  }
  Result<FloatTable> table(const std::string& name, int64_t rows, int64_t columns) override {
    if (Status status = ask(name); !status.ok()) return status;
    auto bytes = std::make_shared<std::vector<uint8_t>>(static_cast<size_t>(rows * columns * 4));
    return FloatTable{.name = name,
                      .type = FloatType::kF32,
                      .rows = rows,
                      .columns = columns,
                      .bytes = *bytes,
                      .owner = bytes};
  }
  Result<FloatVector> vector(const std::string& name, int64_t length) override {
    if (Status status = ask(name); !status.ok()) return status;
    return FloatVector{.name = name, .values = std::vector<float>(static_cast<size_t>(length), 1)};
  }

  std::set<std::string> asked;
  std::string missing;

 private:
  Status ask(const std::string& name) {
    asked.insert(name);
    if (name == missing) return make_error(StatusCode::kNotFound, "no {}", name);
    return {};
  }
};

const ModelFacts kFacts{.config = {.family = "bitnet",
                                   .vocab_size = 10,
                                   .hidden_size = 8,
                                   .intermediate_size = 12,
                                   .layers = 2,
                                   .q_heads = 2,
                                   .kv_heads = 1,
                                   .head_dim = 4,
                                   .max_positions = 16,
                                   .rope_theta = 1e4,
                                   .norm_eps = 1e-5f},
                        .tied_head = true};

TEST(Family, EveryFamilyBuildsAValidGraph) {
  for (const Family* family : families()) {
    EXPECT_EQ(find_family(family->name), family);
    for (const bool tied : {true, false}) {
      ModelFacts facts = kFacts;
      facts.tied_head = tied;
      Graph graph;
      graph.config = facts.config;
      MadeUpWeights weights;
      const Status built = family->build(facts, weights, &graph);
      ASSERT_TRUE(built.ok()) << family->name << ": " << built.message();
      const Status valid = validate(graph);
      EXPECT_TRUE(valid.ok()) << family->name << ": " << valid.message();
      EXPECT_EQ(weights.asked.contains("lm_head"), !tied);
    }
  }
}

TEST(Family, IsFoundByModelTypeAndArchitecture) {
  const struct {
    const char *type, *architecture, *family;
  } known[] = {
      {"bitnet", "BitNetForCausalLM", "bitnet"}, {"bitnet", "", "bitnet"},
      {"llama", "LlamaForCausalLM", "llama"},    {"llama", "", "llama"},
      {"llama", "BitnetForCausalLM", "1bitllm"},
  };
  for (const auto& [type, architecture, name] : known) {
    const auto family = find_hf_family(type, architecture);
    ASSERT_TRUE(family.ok()) << family.status().message();
    EXPECT_EQ((*family)->name, name);
  }
  for (const char* unknown : {"", "BITNET", "bitnet ", "gpt2"})
    expect_error(find_hf_family(unknown, ""), StatusCode::kUnsupported,
                 {fmt::format("model_type = \"{}\"", unknown),
                  "supported: \"bitnet\" (the BitNet-b1.58-2B-4T family), \"llama\""});
  expect_error(find_hf_family("llama", "LlamaForTokenClassification"), StatusCode::kUnsupported,
               {"architectures = [\"LlamaForTokenClassification\"]", "\"LlamaForCausalLM\" or "});
  EXPECT_EQ(find_family("gpt2"), nullptr);
}

TEST(Family, BitnetAsksForTheWeightsOfEveryLayer) {
  Graph graph;
  graph.config = kFacts.config;
  MadeUpWeights weights;
  ASSERT_TRUE(find_family("bitnet")->build(kFacts, weights, &graph).ok());
  EXPECT_EQ(weights.asked.size(), 2u + 2 * 11);
  for (const char* name : {"model.embed_tokens", "model.norm", "model.layers.0.input_layernorm",
                           "model.layers.1.self_attn.attn_sub_norm", "model.layers.1.mlp.up_proj"})
    EXPECT_TRUE(weights.asked.contains(name)) << name;
}

TEST(Family, SubNormsHaveTheNamesOfTheFamily) {
  const auto asked = [](const char* family) {
    Graph graph;
    MadeUpWeights weights;
    EXPECT_TRUE(find_family(family)->build(kFacts, weights, &graph).ok());
    return weights.asked;
  };
  EXPECT_TRUE(asked("1bitllm").contains("model.layers.1.self_attn.inner_attn_ln"));
  EXPECT_TRUE(asked("1bitllm").contains("model.layers.1.mlp.ffn_layernorm"));
  EXPECT_EQ(asked("1bitllm").size(), 2u + 2 * 11);
  EXPECT_EQ(asked("llama").size(), 2u + 2 * 9);
}

TEST(Family, AMissingWeightIsPassedOn) {
  ModelFacts untied = kFacts;
  untied.tied_head = false;
  for (const char* name :
       {"model.embed_tokens", "model.layers.1.mlp.down_proj", "model.norm", "lm_head"}) {
    Graph graph;
    MadeUpWeights weights;
    weights.missing = name;
    expect_error(find_family("bitnet")->build(untied, weights, &graph), StatusCode::kNotFound,
                 {std::string("no ") + name});
  }
}

}  // namespace
}  // namespace bitnetc::test
