// What load_model() makes of the bundled model.
#include <fmt/format.h>
#include <fmt/ranges.h>
#include <gtest/gtest.h>

#include <algorithm>

#include "frontend/load.h"
#include "tests/support/engine_fixture.h"
#include "tests/support/model_folder.h"

namespace bitnetc::test {
namespace {

TEST(LoadBundledModel, HasTheShapesOfItsConfiguration) {
  ASSERT_TRUE(is_model_folder(bundled_model_folder()));
  const auto model = load_model(bundled_model_folder());
  ASSERT_TRUE(model.ok()) << model.status().message();
  const ModelConfig& config = model->graph.config;
  EXPECT_EQ(config.family, "bitnet");
  EXPECT_EQ(config.vocab_size, 4096);
  EXPECT_EQ(config.hidden_size, 256);
  EXPECT_EQ(config.intermediate_size, 512);
  EXPECT_EQ(config.layers, 5);
  EXPECT_EQ(config.q_heads, 4);
  EXPECT_EQ(config.kv_heads, 2);
  EXPECT_EQ(config.head_dim, 64);
  EXPECT_EQ(config.max_positions, 1024);
  EXPECT_EQ(config.rope_theta, 500000.0);
  EXPECT_EQ(config.norm_eps, 1e-5f);
  EXPECT_TRUE(validate(model->graph).ok());
}

TEST(LoadBundledModel, HasTheWeightsOfItsFile) {
  const auto model = load_model(bundled_model_folder());
  ASSERT_TRUE(model.ok()) << model.status().message();
  const Graph& graph = model->graph;
  ASSERT_EQ(graph.tables.size(), 1u);
  EXPECT_EQ(graph.tables[0].type, FloatType::kBf16);
  EXPECT_EQ(graph.tables[0].bytes.size(), 4096u * 256 * 2);
  EXPECT_EQ(graph.vectors.size(), 5u * 4 + 1);
  ASSERT_EQ(graph.ternary.size(), 35u);
  for (const TernarySource& source : graph.ternary) {
    const auto matrix = source.load();
    ASSERT_TRUE(matrix.ok()) << matrix.status().message();
    EXPECT_EQ(matrix->n, source.n);
    EXPECT_EQ(matrix->k, source.k);
    EXPECT_GT(matrix->scales.values[0], 0);
    ASSERT_EQ(static_cast<int64_t>(matrix->trits.size()), source.n * source.k);
    const auto zeros = std::count(matrix->trits.begin(), matrix->trits.end(), 0);
    EXPECT_GT(zeros, source.n * source.k / 5) << source.name;
    EXPECT_LT(zeros, source.n * source.k / 2) << source.name;
  }
}

TEST(LoadBundledModel, HasItsTokenizerAndGenerationDefaults) {
  const auto model = load_model(bundled_model_folder());
  ASSERT_TRUE(model.ok()) << model.status().message();
  const Graph& graph = model->graph;
  EXPECT_EQ(graph.tokenizer_json, read_file(bundled_model_folder() + "/tokenizer.json"));
  EXPECT_EQ(graph.chat_template, "");
  EXPECT_EQ(graph.generation.bos_id, 4093);
  EXPECT_EQ(graph.generation.stop_ids, (std::vector<int32_t>{4094, 4095}));
  EXPECT_TRUE(graph.generation.do_sample);
  EXPECT_EQ(graph.generation.temperature, 0.7);
  EXPECT_EQ(graph.generation.top_p, 0.9);
  EXPECT_EQ(graph.generation.top_k, std::nullopt);
  const std::string ignored = fmt::format("{}", fmt::join(model->report.ignored_keys, "\n"));
  EXPECT_NE(ignored.find("use_cache = true (cannot change the result)"), std::string::npos);
  EXPECT_EQ(ignored.find("unknown key"), std::string::npos);
  EXPECT_TRUE(model->report.notes.empty());
}

}  // namespace
}  // namespace bitnetc::test
