#include "compiler/graph.h"

#include <gtest/gtest.h>

#include <limits>

#include "tests/support/expect_error.h"

namespace bitnetc::test {
namespace {

constexpr int64_t kVocab = 5, kHidden = 4, kFfn = 6;

// One attention layer and one FFN, with every operation in it: 10 values, weights shared where
// shapes allow.
//   0 embed  1 norm  2 q  3 rope  4 kv  5 attention  6 add  7 gate  8 glu  9 logits
class ValidateGraph : public ::testing::Test {
 protected:
  ValidateGraph() {
    graph_.config = {.family = "bitnet",
                     .vocab_size = kVocab,
                     .hidden_size = kHidden,
                     .intermediate_size = kFfn,
                     .layers = 1,
                     .q_heads = 2,
                     .kv_heads = 1,
                     .head_dim = 2,
                     .max_positions = 16,
                     .rope_theta = 1e4,
                     .norm_eps = 1e-5f};
    table_bytes_.resize(kVocab * kHidden * 4);
    graph_.tables.push_back({.name = "embed",
                             .type = FloatType::kF32,
                             .rows = kVocab,
                             .columns = kHidden,
                             .bytes = table_bytes_,
                             .owner = nullptr});
    graph_.vectors.push_back({.name = "norm", .values = std::vector<float>(kHidden, 1)});
    add_matrix("q", 4, kHidden);
    add_matrix("kv", 2, kHidden);
    add_matrix("gate", kFfn, kHidden);

    const ValueId h = add(GraphOp::kEmbed, "embed", {}, kHidden, 0, EmbedAttributes{});
    const ValueId a = add(GraphOp::kRmsNorm, "norm", {h}, kHidden, 0, NormAttributes{.eps = 1e-5f});
    const ValueId q = add(GraphOp::kBitLinear, "q", {a}, 4, 0);
    const ValueId rotated = add(GraphOp::kRope, "rope", {q}, 4, -1,
                                RopeAttributes{.heads = 2, .head_dim = 2, .theta = 1e4});
    const ValueId kv = add(GraphOp::kBitLinear, "kv", {a}, 2, 1);
    const ValueId mixed =
        add(GraphOp::kAttention, "attention", {rotated, kv, kv}, 4, -1,
            AttentionAttributes{
                .q_heads = 2, .kv_heads = 1, .head_dim = 2, .scale = 0x1.6a09e6p-1f, .cache = 0});
    const ValueId sum = add(GraphOp::kAdd, "add", {h, mixed}, kHidden);
    const ValueId gate = add(GraphOp::kBitLinear, "gate", {sum}, kFfn, 2);
    add(GraphOp::kGlu, "glu", {gate, gate}, kFfn, -1,
        GluAttributes{.activation = Activation::kSilu});
    add(GraphOp::kHead, "head", {sum}, kVocab, 0);
  }

  void add_matrix(const std::string& name, int64_t n, int64_t k) {
    graph_.ternary.push_back({.name = name, .n = n, .k = k, .load = [] {
                                return Result<TernaryMatrix>(TernaryMatrix());
                              }});
  }
  ValueId add(GraphOp op, const std::string& name, std::vector<ValueId> inputs, int64_t columns,
              int weight = -1, const Attributes& attributes = {}) {
    Node node{.op = op,
              .name = name,
              .inputs = std::move(inputs),
              .output = -1,
              .weight = weight,
              .layer = 0,
              .attributes = attributes};
    node.output = graph_.add_value(columns);
    graph_.nodes.push_back(node);
    return node.output;
  }
  Node& node(const std::string& name) {
    for (Node& candidate : graph_.nodes)
      if (candidate.name == name) return candidate;
    ADD_FAILURE() << "no node " << name;
    return graph_.nodes.front();
  }
  template <typename Wanted>
  Wanted& attributes(const std::string& name) {
    return std::get<Wanted>(node(name).attributes);
  }
  int64_t& columns(const std::string& name) {
    return graph_.value_columns[static_cast<size_t>(node(name).output)];
  }
  void expect_refused(std::initializer_list<std::string> named) {
    expect_error(validate(graph_), StatusCode::kDataCorrupt, named);
  }

  std::vector<uint8_t> table_bytes_;
  Graph graph_;
};

TEST_F(ValidateGraph, AcceptsAWholeGraph) {
  const Status status = validate(graph_);
  EXPECT_TRUE(status.ok()) << status.message();
}

TEST_F(ValidateGraph, RefusesAnEmptyGraph) {
  graph_.nodes.clear();
  expect_refused({"no nodes"});
}

TEST_F(ValidateGraph, RefusesImpossibleConfigurations) {
  const ModelConfig good = graph_.config;
  graph_.config.vocab_size = 0;
  expect_refused({"vocab_size = 0"});
  graph_.config = good;
  graph_.config.kv_heads = -1;
  expect_refused({"kv_heads = -1"});
  graph_.config = good;
  graph_.config.max_positions = 0;
  expect_refused({"max_positions = 0"});
}

TEST_F(ValidateGraph, RefusesReferencesOutOfRange) {
  node("norm").inputs = {99};
  expect_refused({"node norm (rms_norm)", "value 99", "10 values"});
  node("norm").inputs = {-1};
  expect_refused({"node norm", "value -1"});
  node("norm").inputs = {0};
  node("norm").output = 10;
  expect_refused({"node norm", "output is value 10"});
}

TEST_F(ValidateGraph, RefusesWeightsOutOfRange) {
  node("embed").weight = 1;
  expect_refused({"node embed", "table 1", "there are 1"});
  node("embed").weight = 0;
  node("norm").weight = -1;
  expect_refused({"node norm", "vector -1"});
  node("norm").weight = 0;
  node("gate").weight = 3;
  expect_refused({"node gate", "ternary matrix 3"});
  node("gate").weight = 2;
  node("add").weight = 0;
  expect_refused({"node add", "takes no weight"});
}

TEST_F(ValidateGraph, RefusesUseBeforeDefinition) {
  std::swap(graph_.nodes[1], graph_.nodes[2]);
  expect_refused({"node q (bit_linear)", "input 0 is value 1", "no earlier node"});
}

TEST_F(ValidateGraph, RefusesASecondDefinition) {
  node("rope").output = node("q").output;
  expect_refused({"node rope", "defines already"});
}

TEST_F(ValidateGraph, RefusesWrongInputCounts) {
  node("add").inputs.push_back(0);
  expect_refused({"node add (add)", "3 inputs", "expected 2"});
}

TEST_F(ValidateGraph, RefusesShapesThatDisagree) {
  columns("q") = 8;
  expect_refused({"node q", "weight q is [4, 4]", "4 columns to 8"});
  columns("q") = 4;
  columns("rope") = 6;
  expect_refused({"node rope", "output has 6 columns, expected 4"});
  columns("rope") = 4;
  node("attention").inputs = {node("kv").output, node("kv").output, node("kv").output};
  expect_refused({"node attention", "q has 2 columns", "expected 4"});
  node("attention").inputs = {node("rope").output, node("kv").output, node("q").output};
  expect_refused({"node attention", "v has 4 columns", "expected 2"});
  node("attention").inputs[2] = node("kv").output;
  node("glu").inputs[1] = node("q").output;
  expect_refused({"node glu", "4 columns", "expected 6"});
  node("glu").inputs[1] = node("gate").output;
  columns("head") = 6;
  expect_refused({"node head", "6 columns", "expected 5"});
  columns("head") = 5;
  columns("embed") = 0;
  expect_refused({"node embed", "0 columns"});
  columns("embed") = 4;
  EXPECT_TRUE(validate(graph_).ok());
}

TEST_F(ValidateGraph, RefusesWeightsThatAreNotWhatTheySay) {
  graph_.vectors[0].values.pop_back();
  expect_refused({"node norm", "4 columns, expected 3"});
  graph_.vectors[0].values.push_back(1);
  graph_.tables[0].rows = 6;
  expect_refused({"table embed", "80 bytes", "f32 [6, 4]"});
  graph_.tables[0].rows = int64_t{1} << 62;
  expect_refused({"table embed"});
  graph_.tables[0].rows = kVocab;
  graph_.config.vocab_size = 6;
  expect_refused({"node embed", "5 rows", "vocab_size = 6"});
  graph_.config.vocab_size = kVocab;
  graph_.ternary[1].load = nullptr;
  expect_refused({"ternary matrix kv", "loader"});
  add_matrix("empty", 0, 4);
  graph_.ternary[1] = graph_.ternary[0];
  expect_refused({"ternary matrix empty", "[0, 4]"});
}

TEST_F(ValidateGraph, RefusesOddNodes) {
  node("add").layer = 1;
  expect_refused({"node add", "layer 1", "1 layers"});
  node("add").layer = 0;
  node("head").name = "";
  expect_refused({"no name"});
}

TEST_F(ValidateGraph, RefusesAttributesOfAnotherOperation) {
  const Attributes eps = NormAttributes{.eps = 1e-5f};
  for (const char* name : {"embed", "norm", "rope", "attention", "glu"}) {
    const Attributes good = node(name).attributes;
    node(name).attributes = std::monostate();
    expect_refused({std::string("node ") + name, "lacks the attributes"});
    node(name).attributes = good;
  }
  node("rope").attributes = eps;
  expect_refused({"node rope", "lacks the attributes"});
  node("rope").attributes = RopeAttributes{.heads = 2, .head_dim = 2, .theta = 1e4};
  for (const char* name : {"q", "add", "head"}) {
    node(name).attributes = eps;
    expect_refused({std::string("node ") + name, "has attributes, but its operation takes none"});
    node(name).attributes = std::monostate();
  }
  EXPECT_TRUE(validate(graph_).ok());
}

TEST_F(ValidateGraph, RefusesImpossibleScalesOfTheEmbedding) {
  for (const float scale : {0.0f, -1.0f, std::numeric_limits<float>::infinity()}) {
    node("embed").attributes = EmbedAttributes{.scale = scale};
    expect_refused({"node embed", fmt::format("scale = {}", scale)});
  }
}

TEST_F(ValidateGraph, RefusesImpossibleNorms) {
  for (const float eps :
       {-1.0f, std::numeric_limits<float>::infinity(), std::numeric_limits<float>::quiet_NaN()}) {
    attributes<NormAttributes>("norm").eps = eps;
    expect_refused({"node norm", "eps = "});
  }
}

TEST_F(ValidateGraph, RefusesImpossibleRotations) {
  auto& rope = attributes<RopeAttributes>("rope");
  const RopeAttributes good = rope;
  rope.heads = 0;
  expect_refused({"node rope", "heads = 0 and head_dim = 2"});
  rope = {.heads = 4, .head_dim = 1, .theta = 1e4};
  expect_refused({"node rope", "head_dim = 1 is odd"});
  rope = {.heads = 1, .head_dim = 2, .theta = 1e4};
  expect_refused({"node rope", "output has 4 columns, expected 2"});
  rope = {.heads = int64_t{1} << 40, .head_dim = int64_t{1} << 40, .theta = 1e4};
  expect_refused({"node rope", "heads * head_dim", "overflows"});
  for (const double theta : {0.0, -1.0, std::numeric_limits<double>::quiet_NaN()}) {
    rope = good;
    rope.theta = theta;
    expect_refused({"node rope", "theta = "});
  }
}

TEST_F(ValidateGraph, RefusesImpossibleAttention) {
  auto& attention = attributes<AttentionAttributes>("attention");
  const AttentionAttributes good = attention;
  attention.kv_heads = -1;
  expect_refused({"node attention", "kv_heads = -1"});
  attention = good;
  attention.q_heads = attention.head_dim = int64_t{1} << 40;
  expect_refused({"node attention", "q_heads * head_dim", "overflows"});
  attention = {.q_heads = 1, .kv_heads = 2, .head_dim = 2, .scale = 1, .cache = 0};
  expect_refused({"node attention", "q_heads = 1", "kv_heads = 2"});
  attention = good;
  attention.window = -3;
  expect_refused({"node attention", "window = -3"});
  for (const float scale : {0.0f, -1.0f, std::numeric_limits<float>::quiet_NaN()}) {
    attention = good;
    attention.scale = scale;
    expect_refused({"node attention", "scale = "});
  }
  for (const int cache : {-1, 1}) {
    attention = good;
    attention.cache = cache;
    expect_refused({"node attention", fmt::format("cache = {}, expected 0..0", cache)});
  }
  attention = good;
  graph_.config.kv_heads = 2;
  expect_refused({"node attention", "kv_heads = 1", "description says 2"});
}

TEST_F(ValidateGraph, RefusesASharedCache) {
  Node second = node("attention");
  second.name = "second";
  second.output = graph_.add_value(4);
  graph_.nodes.push_back(second);
  expect_refused({"node second", "cache = 0 is that of an earlier node"});
}

TEST_F(ValidateGraph, RefusesAnUnknownActivation) {
  attributes<GluAttributes>("glu").activation = static_cast<Activation>(3);
  expect_refused({"node glu", "unknown activation 3"});
}

TEST(GraphOpName, NamesEveryOperation) {
  EXPECT_STREQ(graph_op_name(GraphOp::kEmbed), "embed");
  EXPECT_STREQ(graph_op_name(GraphOp::kAttention), "attention");
  EXPECT_STREQ(graph_op_name(GraphOp::kGlu), "glu");
  EXPECT_STREQ(graph_op_name(GraphOp::kHead), "head");
  EXPECT_STREQ(activation_name(Activation::kRelu2), "relu2");
  EXPECT_STREQ(activation_name(Activation::kSilu), "silu");
  EXPECT_STREQ(activation_name(Activation::kGelu), "gelu");
}

}  // namespace
}  // namespace bitnetc::test
