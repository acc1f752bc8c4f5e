// Families build graphs from any WeightSource: here from one that makes weights up.
#include "frontend/families/family.h"

#include <gtest/gtest.h>

#include <cmath>
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
                        .tied_head = true,
                        .has_projection_norms = true};

TEST(Family, EveryFamilyBuildsAValidGraph) {
  for (const Family* family : families()) {
    EXPECT_EQ(find_family(family->name), family);
    for (const bool tied : {true, false}) {
      ModelFacts facts = kFacts;
      facts.tied_head = tied;
      Graph graph;
      facts.config.output = family->output;
      graph.config = facts.config;
      MadeUpWeights weights;
      const Status built = family->build(facts, weights, &graph);
      ASSERT_TRUE(built.ok()) << family->name << ": " << built.message();
      const Status valid = validate(graph);
      EXPECT_TRUE(valid.ok()) << family->name << ": " << valid.message();
      EXPECT_EQ(weights.asked.contains("lm_head"), !tied && family->output == ModelOutput::kLogits);
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

// Text encoders: a norm in front of every projection; without them it is another model.
TEST(Family, ProjectionNormsMakeATextEncoder) {
  for (const auto& [name, per_layer] : {std::pair("qwen3", 18), std::pair("gemma3", 20)}) {
    ModelFacts facts = kFacts;
    facts.config.output = ModelOutput::kHidden;
    Graph graph;
    MadeUpWeights weights;
    ASSERT_TRUE(find_family(name)->build(facts, weights, &graph).ok());
    EXPECT_EQ(weights.asked.size(), static_cast<size_t>(2 + 2 * per_layer)) << name;
    EXPECT_TRUE(weights.asked.contains("model.layers.1.mlp.down_proj.norm")) << name;
    EXPECT_EQ(graph.nodes.back().op, GraphOp::kRmsNorm);
    facts.has_projection_norms = false;
    expect_error(find_family(name)->build(facts, weights, &graph), StatusCode::kUnsupported,
                 {"language model", "without norms in front of its projections"});
  }
}

// Gemma's native norms multiply by 1 + w, those of projections by w.
TEST(Family, AddsOneToNormsThatAreStoredWithoutIt) {
  ModelFacts facts = kFacts;
  facts.config.output = ModelOutput::kHidden;
  facts.norms_less_one = true;
  Graph graph;
  MadeUpWeights weights;  // of ones
  ASSERT_TRUE(find_family("gemma3")->build(facts, weights, &graph).ok());
  for (const FloatVector& vector : graph.vectors)
    EXPECT_EQ(vector.values[0], vector.name.ends_with("_proj.norm") ? 1 : 2) << vector.name;
  const auto& embed = std::get<EmbedAttributes>(graph.nodes[0].attributes);
  EXPECT_EQ(embed.scale, static_cast<float>(std::sqrt(8.0)));
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
