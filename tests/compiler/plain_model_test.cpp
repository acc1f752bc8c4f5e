// Whole models against the plain evaluation of their graphs: compiled, linked and run on every
// tier, the logits are those of tests/support/plain_model.h, bit for bit.
#include "tests/support/plain_model.h"

#include <gtest/gtest.h>

#include <cstring>

#include "compiler/compile.h"
#include "frontend/load.h"
#include "runtime/cpu_features.h"
#include "tests/support/engine_fixture.h"
#include "tests/support/model_folder.h"
#include "tests/support/tiers.h"

namespace bitnetc::test {
namespace {

constexpr int32_t kTokens[] = {318, 72, 101, 108, 108, 111, 33, 10, 0, 255, 99};

class PlainModelTest : public testing::Test {
 protected:
  Graph load(const ModelShape& shape, Activation activation) {
    write_model(make_packed_model(shape, 21), folder_.path() / "m");
    auto loaded = load_model((folder_.path() / "m").string());
    EXPECT_TRUE(loaded.ok()) << loaded.status().message();
    for (Node& node : loaded->graph.nodes)
      if (auto* glu = std::get_if<GluAttributes>(&node.attributes)) glu->activation = activation;
    return std::move(loaded->graph);
  }

  // Logits after a prompt and after one more token, on every tier and in every layout that this
  // machine has.
  void expect_plain_bits(const Graph& graph, KvType kv_type = KvType::kF16) {
    PlainModel plain(graph, {.kv_type = kv_type});
    std::vector<float> expected = plain.append(std::span(kTokens).first(10));
    const std::vector<float> last = plain.append(std::span(kTokens).last(1));
    expected.insert(expected.end(), last.begin(), last.end());
    const HeuristicPlanSource heuristic;
    for (const LayoutId layout : kLayouts) {
      const LayoutOverride plans(heuristic, layout);
      const std::string path = folder_.file("m.bnc");
      const auto report = compile(graph, path, {.target = host_target(), .plans = &plans});
      ASSERT_TRUE(report.ok()) << report.status().message();
      for (const Isa isa : tiers_here()) {
        auto session =
            make_session(link_file(path, target_for(isa), nullptr, kv_type), {.threads = 2});
        std::vector<float> logits;
        for (const auto part : {std::span(kTokens).first(10), std::span(kTokens).last(1)}) {
          const Status status = session->append(part);
          ASSERT_TRUE(status.ok()) << status.message();
          logits.insert(logits.end(), session->logits().begin(), session->logits().end());
        }
        ASSERT_EQ(logits.size(), expected.size());
        EXPECT_EQ(std::memcmp(logits.data(), expected.data(), logits.size() * sizeof(float)), 0)
            << layout_name(layout) << " on " << isa_name(isa);
      }
    }
  }

  TempFolder folder_;
};

// Several tiles and a ragged last one, so that gate and up tiles that do not alternate would be
// seen.
constexpr ModelShape kShape{
    .hidden = 72, .intermediate = 104, .q_heads = 6, .kv_heads = 2, .head_dim = 12};

TEST_F(PlainModelTest, SquaredRelu) {
  expect_plain_bits(load(kShape, Activation::kRelu2));
}
TEST_F(PlainModelTest, Silu) {
  expect_plain_bits(load(kShape, Activation::kSilu));
}
TEST_F(PlainModelTest, Gelu) {
  expect_plain_bits(load(kShape, Activation::kGelu));
}

// As Llama: no norm between attention or the gated product and the projection behind it.
TEST_F(PlainModelTest, SiluWithoutSubNorms) {
  Graph graph = load(kShape, Activation::kSilu);
  for (int64_t layer = 0; layer < graph.config.layers; ++layer)
    for (const char* norm : {"attn_sub_norm", "ffn_sub_norm"})
      remove_node(graph, fmt::format("layers.{}.{}", layer, norm));
  expect_plain_bits(graph);
}

TEST_F(PlainModelTest, EveryTypeOfKeysAndValues) {
  ModelShape shape = kShape;
  for (const int64_t head_dim : {12, 16}) {
    shape.head_dim = head_dim;
    const Graph graph = load(shape, Activation::kRelu2);
    for (const KvType type : {KvType::kF32, KvType::kI8}) expect_plain_bits(graph, type);
  }
}

// As Qwen3: the heads of q and k are normed before they are rotated.
TEST_F(PlainModelTest, HeadNorms) {
  Graph graph = load(kShape, Activation::kSilu);
  add_head_norms(graph);
  expect_plain_bits(graph);
}

// Every kind, and two layers of which only the amplitude differs.
TEST_F(PlainModelTest, ScaledRope) {
  using Kind = RopeScaling::Kind;
  Graph graph = load(kShape, Activation::kSilu);
  const auto expect_bits_of = [&](const RopeScaling& first, const RopeScaling& second) {
    for (Node& node : graph.nodes)
      if (auto* rope = std::get_if<RopeAttributes>(&node.attributes))
        rope->scaling = node.layer == 0 ? first : second;
    expect_plain_bits(graph);
  };
  expect_bits_of({.kind = Kind::kLinear, .factor = 4}, {.kind = Kind::kLinear, .factor = 1.5});
  expect_bits_of({}, {.kind = Kind::kLlama3,
                      .factor = 8,
                      .original_positions = 64,
                      .low_freq_factor = 1,
                      .high_freq_factor = 4});
  RopeScaling yarn{.kind = Kind::kYarn,
                   .factor = 4,
                   .original_positions = 32,
                   .beta_fast = 32,
                   .beta_slow = 1,
                   .amplitude = 1.1386};
  const RopeScaling first = yarn;
  yarn.amplitude = 0.75;
  expect_bits_of(first, yarn);
}

// One layer of which a token sees four positions, one of which it sees all.
TEST_F(PlainModelTest, AWindow) {
  Graph graph = load(kShape, Activation::kGelu);
  for (Node& node : graph.nodes)
    if (auto* attention = std::get_if<AttentionAttributes>(&node.attributes))
      attention->window = node.layer == 0 ? 4 : 0;
  expect_plain_bits(graph);
}

// What one layer has and another has not comes from the nodes.
TEST_F(PlainModelTest, LayersMayDifferInActivationAndTheta) {
  Graph graph = load(kShape, Activation::kRelu2);
  for (Node& node : graph.nodes) {
    if (node.layer != 1) continue;
    if (auto* rope = std::get_if<RopeAttributes>(&node.attributes)) rope->theta = 77;
    if (auto* glu = std::get_if<GluAttributes>(&node.attributes))
      glu->activation = Activation::kGelu;
  }
  expect_plain_bits(graph);
  graph.config.rope_theta = 3;  // describes, computes nothing
  expect_plain_bits(graph);
}

}  // namespace
}  // namespace bitnetc::test
