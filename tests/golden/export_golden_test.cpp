// Models of all families written in every format that they may have been read from, and read again:
// the same graph, and compiled the same bytes, so that every logit and vector is the same.
#include <gtest/gtest.h>

#include <algorithm>
#include <cstring>
#include <filesystem>

#include "compiler/check_program.h"
#include "compiler/stored_weights.h"
#include "frontend/export.h"
#include "frontend/load.h"
#include "frontend/tokenizer.h"
#include "runtime/cpu_features.h"
#include "tests/support/engine_fixture.h"
#include "tests/support/golden.h"
#include "tests/support/graph_expectations.h"
#include "tests/support/reference_model.h"

namespace bitnetc::test {
namespace {

using nlohmann::json;

constexpr const char* kModels[] = {"2b4t",
                                   "1bitllm-regular",
                                   "1bitllm-odd",
                                   "llama",
                                   "llama-head-dim",
                                   "embedding-qwen3",
                                   "embedding-qwen3-odd",
                                   "embedding-gemma3",
                                   "embedding-gemma3-odd"};

LoadedModel load(const std::string& path) {
  auto loaded = load_model(path);
  if (!loaded.ok()) throw std::runtime_error(loaded.status().message());
  return *std::move(loaded);
}

Graph weights_of(const std::string& bnc_path) {
  const auto model = open_checked(bnc_path);
  if (!model.ok()) throw std::runtime_error(model.status().message());
  auto graph = stored_weights(*model);
  if (!graph.ok()) throw std::runtime_error(graph.status().message());
  return *std::move(graph);
}

class Export : public testing::TestWithParam<const char*> {
 protected:
  void to_gguf(const Graph& graph, const std::string& name) {
    const auto report = export_gguf(graph, file(name), {});
    ASSERT_TRUE(report.ok()) << report.status().message();
  }
  void to_folder(const Graph& graph, const std::string& name) {
    const auto report = export_hf_folder(graph, file(name), {});
    ASSERT_TRUE(report.ok()) << report.status().message();
  }
  void compile(const std::string& source, const std::string& name) {
    compile_folder(source, file(name), host_target());
  }
  std::string file(const std::string& name) const { return temporary_.file(name); }
  // What a graph says besides its nodes and weights.
  static void expect_same_facts(const Graph& a, const Graph& b) {
    EXPECT_EQ(a.config.max_positions, b.config.max_positions);
    EXPECT_EQ(a.config.rope_theta, b.config.rope_theta);
    EXPECT_EQ(a.config.rope_scaling, b.config.rope_scaling);
    EXPECT_EQ(a.config.layer_facts, b.config.layer_facts);
    EXPECT_EQ(a.config.norm_eps, b.config.norm_eps);
    EXPECT_EQ(a.config.output, b.config.output);
    EXPECT_EQ(a.config.attention_scale(), b.config.attention_scale());
    EXPECT_EQ(a.encoder, b.encoder);
    EXPECT_EQ(a.generation.bos_id, b.generation.bos_id);
    // A GGUF file has more of them: those that are found by their names.
    const auto& more = b.generation.stop_ids;
    EXPECT_EQ(std::ranges::search(more, a.generation.stop_ids).begin(), more.begin());
    EXPECT_EQ(a.tokenizer_json, b.tokenizer_json);
  }
  void expect_same_sections(const std::string& a, const std::string& b) const {
    const auto x = open_checked(file(a)), y = open_checked(file(b));
    ASSERT_TRUE(x.ok() && y.ok());
    ASSERT_EQ((*x)->file().sections().size(), (*y)->file().sections().size());
    for (const BncSection& section : (*x)->file().sections()) {
      const auto one = (*x)->file().section(section.name),
                 other = (*y)->file().section(section.name);
      ASSERT_TRUE(one.ok() && other.ok()) << section.name;
      ASSERT_EQ(one->size(), other->size()) << section.name;
      EXPECT_EQ(std::memcmp(one->data(), other->data(), one->size()), 0) << section.name;
    }
  }

  TempFolder temporary_;
};

TEST_P(Export, GoesThroughEveryFormatWithoutLosingABit) {
  const std::string source = reference_folder(GetParam());
  const LoadedModel model = load(source);
  to_gguf(model.graph, "a.gguf");
  const LoadedModel from_gguf = load(file("a.gguf"));
  expect_same_graph(model.graph, from_gguf.graph);
  to_folder(from_gguf.graph, "b");
  const LoadedModel from_folder = load(file("b"));
  expect_same_graph(model.graph, from_folder.graph);

  compile(source, "a.bnc");
  compile(file("b"), "b.bnc");
  expect_same_sections("a.bnc", "b.bnc");
  to_folder(weights_of(file("a.bnc")), "c");
  expect_same_graph(model.graph, load(file("c")).graph);
  compile(file("c"), "c.bnc");
  expect_same_sections("a.bnc", "c.bnc");
  to_gguf(weights_of(file("c.bnc")), "c.gguf");
  EXPECT_EQ(read_file(file("a.gguf")), read_file(file("c.gguf")));
  const Graph compiled = weights_of(file("c.bnc"));  // never was a GGUF file
  EXPECT_EQ(compiled.generation.stop_ids, model.graph.generation.stop_ids);
  for (const Graph* graph : {&from_gguf.graph, &from_folder.graph, &compiled})
    expect_same_facts(model.graph, *graph);
}

// As published models that were trained for long contexts say it.
TEST_P(Export, KeepsTheScalingOfRope) {
  using Kind = RopeScaling::Kind;
  const json scalings[] = {
      {{"rope_type", "linear"}, {"factor", 2.5}},
      {{"rope_type", "llama3"},
       {"factor", 8.0},
       {"low_freq_factor", 1.0},
       {"high_freq_factor", 4.0},
       {"original_max_position_embeddings", 128}},
      {{"rope_type", "yarn"}, {"factor", 4.0}, {"original_max_position_embeddings", 128}},
      {{"rope_type", "yarn"}, {"factor", 4.0}, {"beta_fast", 16}, {"beta_slow", 2}}};
  ModelFiles files = read_model_files(reference_folder(GetParam()));
  const bool has_kinds = files.config.contains("rope_parameters");
  for (const json& scaling : scalings) {
    json& place = has_kinds ? files.config["rope_parameters"]["full_attention"]
                            : files.config["rope_scaling"];
    const json theta = has_kinds ? place["rope_theta"] : json();
    place = scaling;
    if (has_kinds) place["rope_theta"] = theta;
    const std::string name =
        fmt::format("{}-{}", scaling["rope_type"].get<std::string>(), scaling.size());
    write_model(files, temporary_.path() / name);
    const LoadedModel model = load(file(name));
    EXPECT_NE(model.graph.config.rope_scaling.kind, Kind::kNone);
    to_gguf(model.graph, name + ".gguf");
    const LoadedModel from_gguf = load(file(name + ".gguf"));
    expect_same_graph(model.graph, from_gguf.graph);
    to_folder(from_gguf.graph, name + "-again");
    expect_same_graph(model.graph, load(file(name + "-again")).graph);
  }
}

std::string test_name(const testing::TestParamInfo<const char*>& model) {
  std::string name = model.param;
  std::ranges::replace(name, '-', '_');
  return name;
}
INSTANTIATE_TEST_SUITE_P(Models, Export, testing::ValuesIn(kModels), test_name);

// Layers with a window, pooling and prompts, none of which a file says twice.
TEST(ExportEncoder, KeepsWindowsPoolingAndPrompts) {
  ModelFiles files = read_model_files(reference_folder("embedding-gemma3-odd"));
  files.config["layer_types"] = {"sliding_attention", "full_attention"};
  files.config["sliding_window"] = 8;
  const TempFolder temporary;
  const auto file = [&](const char* name) { return temporary.file(name); };
  write_model(files, temporary.path() / "m");
  std::filesystem::create_directory(temporary.path() / "m" / "1_Pooling");
  write_file(file("m/1_Pooling/config.json"), R"({"pooling_mode": "mean"})");
  write_file(
      file("m/config_sentence_transformers.json"),
      R"({"prompts": {"query": "Query: ", "document": ""}, "default_prompt_name": "query"})");
  const LoadedModel model = load(file("m"));
  ASSERT_EQ(model.graph.config.layer_facts.size(), 2u);
  EXPECT_EQ(model.graph.encoder.prompts.size(), 2u);
  compile_folder(file("m"), file("m.bnc"), host_target());
  ASSERT_TRUE(export_gguf(weights_of(file("m.bnc")), file("m.gguf"), {}).ok());
  ASSERT_TRUE(export_hf_folder(load(file("m.gguf")).graph, file("again"), {}).ok());
  for (const char* path : {"m.gguf", "again"}) {
    const LoadedModel again = load(file(path));
    expect_same_graph(model.graph, again.graph);
    EXPECT_EQ(again.graph.encoder, model.graph.encoder) << path;
    EXPECT_EQ(again.graph.config.layer_facts, model.graph.config.layer_facts) << path;
  }
  // Windows that are scaled too have no place in a GGUF file, but in a folder.
  files.config["rope_parameters"]["sliding_attention"] = {
      {"rope_theta", 500}, {"rope_type", "linear"}, {"factor", 2}};
  write_model(files, temporary.path() / "scaled");
  const LoadedModel scaled = load(file("scaled"));
  const auto refused = export_gguf(scaled.graph, file("scaled.gguf"), {});
  ASSERT_FALSE(refused.ok());
  EXPECT_NE(refused.status().message().find("a window of 8 positions cannot be written"),
            std::string::npos)
      << refused.status().message();
  ASSERT_TRUE(export_hf_folder(scaled.graph, file("scaled-again"), {}).ok());
  expect_same_graph(scaled.graph, load(file("scaled-again")).graph);
}

// The files that the converter of bitnet.cpp makes of such models.
TEST(EncoderGguf, HoldsTheModelOfTheFolder) {
  for (const char* name : {"embedding-qwen3", "embedding-gemma3"}) {
    const std::string folder = reference_folder(name);
    const LoadedModel model = load(folder), from_file = load(folder + "/model.gguf");
    expect_same_graph(model.graph, from_file.graph);
    EXPECT_EQ(from_file.graph.encoder.pooling, Pooling::kMean);
    EXPECT_EQ(from_file.graph.config.output, ModelOutput::kHidden);
    const auto tokenizer = Tokenizer::from_json(from_file.graph.tokenizer_json, "t");
    ASSERT_TRUE(tokenizer.ok()) << tokenizer.status().message();
    const json reference = read_json(folder + "/reference.json");
    for (const json& each : reference["cases"]) {
      const auto ids = (*tokenizer)->encode(each["text"].get<std::string>());
      ASSERT_TRUE(ids.ok()) << ids.status().message();
      EXPECT_EQ(*ids, each["ids"].get<std::vector<int32_t>>()) << each["name"];
    }
  }
}

}  // namespace
}  // namespace bitnetc::test
