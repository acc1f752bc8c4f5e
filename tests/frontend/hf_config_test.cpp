// config.json and generation_config.json, key by key. A valid configuration is changed in one
// place; what is refused must name the key and the value.
#include "frontend/hf/hf_config.h"

#include <gtest/gtest.h>

#include <algorithm>
#include <cmath>

#include "tests/support/expect_error.h"
#include "tests/support/model_folder.h"

namespace bitnetc::test {
namespace {

using Json = nlohmann::json;

Json valid_config() {
  return make_packed_model({.layers = 0}, 0).config;
}

// The valid configuration with one layer and `changes` laid over it; a null value removes nothing
// but reads as absent.
Result<HfConfig> read_with(const Json& changes, LoadReport* report = nullptr) {
  Json config = valid_config();
  config["num_hidden_layers"] = 1;
  config.update(changes);
  LoadReport local;
  return read_hf_config(config.dump(), "m/config.json", report != nullptr ? report : &local);
}

Result<HfConfig> read_without(const std::string& key) {
  Json config = valid_config();
  config["num_hidden_layers"] = 1;
  config.erase(key);
  LoadReport report;
  return read_hf_config(config.dump(), "m/config.json", &report);
}

Result<HfConfig> read_quantization(const Json& changes) {
  Json quantization = valid_config()["quantization_config"];
  quantization.update(changes);
  return read_with({{"quantization_config", quantization}});
}

bool mentions(const std::vector<std::string>& lines, const std::string& part) {
  return std::any_of(lines.begin(), lines.end(),
                     [&](const std::string& line) { return line.find(part) != std::string::npos; });
}

// 2^24 positions is the cap, whatever the file promises.
TEST(HfConfig, CapsPositionsAndLayers) {
  EXPECT_TRUE(read_with({{"max_position_embeddings", 16777216}}).ok());
  expect_error(read_with({{"max_position_embeddings", 16777217}}), StatusCode::kDataCorrupt,
               {"m/config.json", "max_position_embeddings is 16777217", "1 to 16777216"});
  expect_error(read_with({{"num_hidden_layers", 65537}}), StatusCode::kDataCorrupt,
               {"num_hidden_layers is 65537", "1 to 65536"});
}

TEST(HfConfig, RefusesWhateverFollowsTheDocument) {
  const auto read = [](const std::string& text) {
    LoadReport report;
    return read_hf_config(text, "m/config.json", &report);
  };
  Json config = valid_config();
  config["num_hidden_layers"] = 1;
  const std::string valid = config.dump();
  EXPECT_TRUE(read(valid + " \r\n\t").ok());
  for (const std::string& rest : {std::string(1, '\0'), std::string("\0garbage {", 10),
                                  std::string("\n\0\0", 3), std::string("{}"), std::string("x")})
    expect_error(read(valid + rest), StatusCode::kDataCorrupt,
                 {"m/config.json", "not valid JSON at byte"});
  expect_error(read(std::string(200, '\0')), StatusCode::kDataCorrupt, {"byte 1: a NUL byte"});
}

TEST(HfConfig, SaysWhatStandsInItsPlace) {
  const auto read = [](const std::string& text) {
    LoadReport report;
    return read_hf_config(text, "m/config.json", &report);
  };
  expect_error(read("version https://git-lfs.github.com/spec/v1\noid sha256:0\nsize 690\n"),
               StatusCode::kDataCorrupt, {"m/config.json", "Git LFS pointer", "git lfs pull"});
  expect_error(read("version https://hawser.github.com/spec/v1\n"), StatusCode::kDataCorrupt,
               {"Git LFS pointer"});
  expect_error(read("\n <!doctype HTML><html>"), StatusCode::kDataCorrupt,
               {"m/config.json", "web page", "download"});
  expect_error(read("<?xml version=\"1.0\"?><Error><Code>AccessDenied</Code></Error>"),
               StatusCode::kDataCorrupt, {"web page"});
}

TEST(HfConfig, ReadsAValidOne) {
  const auto config = read_with(Json::object());
  ASSERT_TRUE(config.ok()) << config.status().message();
  EXPECT_EQ(config->model.hidden_size, 64);
  EXPECT_EQ(config->model.intermediate_size, 96);
  EXPECT_EQ(config->model.head_dim, 16);
  EXPECT_EQ(config->storage, WeightStorage::kPacked);
  EXPECT_EQ(config->scale_rule, ScaleRule::kMultiply);
  EXPECT_TRUE(config->tied_head);
  EXPECT_EQ(config->stop_ids, std::vector<int32_t>{319});
}

TEST(HfConfig, RefusesWhatIsNotAnObject) {
  LoadReport report;
  for (const char* text :
       {"", "{", "{]}", "hidden_size: 3", "{\"a\":1,}", "\xef\xbb\xbf{", "{\"a\":1e999}"})
    expect_error(read_hf_config(text, "m/config.json", &report), StatusCode::kDataCorrupt,
                 {"m/config.json", "not valid JSON"});
  expect_error(read_hf_config("[1]", "m/config.json", &report), StatusCode::kDataCorrupt,
               {"m/config.json", "[1]", "expected an object"});
  expect_error(read_hf_config(R"({"a":1,"a":2})", "m/config.json", &report),
               StatusCode::kDataCorrupt, {"m/config.json", "duplicate key \"a\""});
  expect_error(read_hf_config(std::string(100'000, '['), "m/config.json", &report),
               StatusCode::kDataCorrupt, {"m/config.json", "nested deeper"});
}

TEST(HfConfig, NamesMissingKeys) {
  for (const char* key : {"model_type", "vocab_size", "hidden_size", "intermediate_size",
                          "num_hidden_layers", "num_attention_heads", "max_position_embeddings",
                          "hidden_act", "rms_norm_eps", "rope_theta"}) {
    expect_error(read_without(key), StatusCode::kDataCorrupt,
                 {"m/config.json", std::string(key) + " is missing"});
    expect_error(read_with({{key, nullptr}}), StatusCode::kDataCorrupt,
                 {std::string(key) + " is missing"});
  }
}

TEST(HfConfig, NamesWrongTypesAndRanges) {
  const struct {
    const char* key;
    Json value;
  } wrong[] = {
      {"model_type", 7},          {"hidden_size", "64"},
      {"hidden_size", 64.0},      {"hidden_size", -64},
      {"hidden_size", 0},         {"vocab_size", 99999999999},
      {"vocab_size", UINT64_MAX}, {"num_hidden_layers", Json::array()},
      {"hidden_act", true},       {"rms_norm_eps", "1e-5"},
      {"rms_norm_eps", 0},        {"rms_norm_eps", -1e-5},
      {"rms_norm_eps", 1e300},    {"rope_theta", 0},
      {"rope_theta", false},      {"tie_word_embeddings", 1},
      {"head_dim", 15},           {"quantization_config", "bitnet"},
      {"rope_scaling", 2},        {"eos_token_id", 320},
      {"eos_token_id", -1},       {"eos_token_id", Json::array({1, "x"})},
      {"bos_token_id", 1.5},
  };
  for (const auto& [key, value] : wrong)
    expect_error(read_with({{key, value}}), StatusCode::kDataCorrupt,
                 {"m/config.json", key, value.dump()});
}

TEST(HfConfig, RefusesUnknownFamilies) {
  expect_error(read_with({{"model_type", "gpt2"}}), StatusCode::kUnsupported,
               {"m/config.json", "model_type", "gpt2", "supported: \"bitnet\""});
  for (const Json& architectures : {Json("BitNetForCausalLM"), Json({"A", "B"}), Json({1})})
    expect_error(read_with({{"architectures", architectures}}), StatusCode::kUnsupported,
                 {"m/config.json: architectures is " + architectures.dump(), "a list of one name"});
}

// The architecture tells two families of one model_type apart; each has one activation.
TEST(HfConfig, ReadsTheFamilies) {
  const auto family_of = [](const Json& changes) -> Result<std::string> {
    const auto config = read_with(changes);
    if (!config.ok()) return config.status();
    return config->model.family;
  };
  EXPECT_EQ(*family_of({{"architectures", nullptr}}), "bitnet");
  Json llama = {{"model_type", "llama"}, {"architectures", nullptr}, {"hidden_act", "silu"}};
  EXPECT_EQ(*family_of(llama), "llama");
  llama["architectures"] = {"LlamaForCausalLM"};
  EXPECT_EQ(*family_of(llama), "llama");
  llama["quantization_config"] = nullptr;
  expect_error(
      family_of(llama), StatusCode::kUnsupported,
      {"m/config.json", "no quantization_config", "a float model of model_type \"llama\""});
  llama["architectures"] = {"BitnetForCausalLM"};
  EXPECT_EQ(*family_of(llama), "1bitllm");
  llama["hidden_act"] = "relu2";
  expect_error(family_of(llama), StatusCode::kUnsupported,
               {"hidden_act = \"relu2\"", "only \"silu\" is"});
}

TEST(HfConfig, RefusesWhatWouldChangeTheComputation) {
  const struct {
    const char* key;
    Json value;
  } unsupported[] = {
      {"hidden_act", "silu"},
      {"attention_bias", true},
      {"mlp_bias", true},
      {"sliding_window", 512},
      {"use_sliding_window", true},
      {"partial_rotary_factor", 0.5},
      {"attn_logit_softcapping", 50.0},
      {"weight_bits", 2},
      {"architectures", {"BitnetForCausalLM"}},
      {"layer_types", {"sliding_attention"}},
  };
  for (const auto& [key, value] : unsupported)
    expect_error(read_with({{key, value}}), StatusCode::kUnsupported,
                 {"m/config.json", key, value.dump()});
  EXPECT_TRUE(read_with({{"sliding_window", nullptr},
                         {"partial_rotary_factor", 1.0},
                         {"layer_types", {"full_attention"}},
                         {"mlp_bias", false}})
                  .ok());
}

// What absent keys mean differs from family to family.
TEST(HfConfig, ReadsTextEncoders) {
  const auto read_as = [](Json config) {
    LoadReport report;
    config.update({{"num_hidden_layers", 1},
                   {"vocab_size", 320},
                   {"hidden_size", 64},
                   {"intermediate_size", 96},
                   {"num_attention_heads", 32},
                   {"max_position_embeddings", 64},
                   {"rms_norm_eps", 1e-6}});
    return read_hf_config(config.dump(), "m/config.json", &report);
  };
  const auto qwen3 = read_as({{"model_type", "qwen3"}, {"hidden_act", "silu"}});
  ASSERT_TRUE(qwen3.ok()) << qwen3.status().message();
  EXPECT_EQ(qwen3->model.head_dim, 128);
  EXPECT_EQ(qwen3->model.kv_heads, 32);
  EXPECT_EQ(qwen3->model.rope_theta, 1e4);
  EXPECT_EQ(qwen3->model.output, ModelOutput::kHidden);
  EXPECT_FALSE(qwen3->norms_less_one);
  EXPECT_EQ(qwen3->master_scale, MasterScale::kF32);

  Json quantised = {{"model_type", "qwen3"}, {"hidden_act", "silu"}};
  Json& quantization = quantised["quantization_config"];
  quantization = {{"quant_method", "bitnet"}, {"use_rms_norm", true}};
  EXPECT_TRUE(read_as(quantised).ok()) << read_as(quantised).status().message();
  quantization["rms_norm_eps"] = 1e-5;
  expect_error(read_as(quantised), StatusCode::kUnsupported,
               {"quantization_config", "rms_norm_eps = 1e-05", "only 1e-06"});

  Json gemma3 = {{"model_type", "gemma3_text"},
                 {"hidden_activation", "gelu_pytorch_tanh"},
                 {"layer_types", {"full_attention"}},
                 {"sliding_window", 512},
                 {"query_pre_attn_scalar", 30}};
  const auto gemma = read_as(gemma3);
  ASSERT_TRUE(gemma.ok()) << gemma.status().message();
  EXPECT_EQ(gemma->model.head_dim, 256);
  EXPECT_EQ(gemma->model.kv_heads, 4);
  EXPECT_EQ(gemma->model.rope_theta, 1e6);
  EXPECT_EQ(gemma->model.attention_scale(), static_cast<float>(1 / std::sqrt(30.0)));
  EXPECT_TRUE(gemma->norms_less_one);
  EXPECT_TRUE(gemma->model.layer_facts.empty());
  Json without_scalar = gemma3;
  without_scalar.erase("query_pre_attn_scalar");
  EXPECT_EQ(read_as(without_scalar)->model.attention_scale(), 1 / 16.0f);
  gemma3["layer_types"] = {"sliding_attention"};
  const auto sliding = read_as(gemma3);
  ASSERT_TRUE(sliding.ok()) << sliding.status().message();
  ASSERT_EQ(sliding->model.layer_facts.size(), 1u);
  EXPECT_EQ(sliding->model.layer_facts[0].window, 512);
  EXPECT_EQ(sliding->model.layer_facts[0].rope_theta, 1e4);
  gemma3["rope_local_base_freq"] = 500;
  EXPECT_EQ(read_as(gemma3)->model.layer_facts[0].rope_theta, 500);
  gemma3["rope_parameters"] = {{"full_attention", {{"rope_theta", 5e4}}},
                               {"sliding_attention", {{"rope_theta", 77}}}};
  EXPECT_EQ(read_as(gemma3)->model.layer_facts[0].rope_theta, 77);
  EXPECT_EQ(read_as(gemma3)->model.rope_theta, 5e4);
  gemma3["layer_types"] = {"sliding_attention", "full_attention"};
  expect_error(read_as(gemma3), StatusCode::kDataCorrupt, {"layer_types lists 2 layers"});
  gemma3["layer_types"] = {"sliding_attention"};
  gemma3.erase("sliding_window");
  expect_error(read_as(gemma3), StatusCode::kDataCorrupt, {"sliding_window is missing"});
  gemma3["layer_types"] = {"chunked_attention"};
  expect_error(read_as(gemma3), StatusCode::kUnsupported, {"layer_types", "chunked_attention"});
  gemma3.erase("layer_types");
  expect_error(read_as(gemma3), StatusCode::kUnsupported, {"layer_types is missing"});
}

TEST(HfConfig, ReadsRopeInBothSpellings) {
  const auto theta_of = [](const Json& changes) -> Result<double> {
    const auto config = read_with(changes);
    if (!config.ok()) return config.status();
    return config->model.rope_theta;
  };
  EXPECT_EQ(*theta_of({{"rope_theta", 10000}}), 10000.0);
  EXPECT_EQ(*theta_of({{"rope_theta", nullptr},
                       {"rope_parameters", {{"rope_theta", 1e6}, {"rope_type", "default"}}}}),
            1e6);
  EXPECT_EQ(*theta_of({{"rope_theta", 1e6}, {"rope_parameters", {{"rope_theta", 1e6}}}}), 1e6);
  EXPECT_TRUE(theta_of({{"rope_scaling", nullptr}}).ok());
  expect_error(theta_of({{"rope_theta", 1e4}, {"rope_parameters", {{"rope_theta", 1e6}}}}),
               StatusCode::kDataCorrupt, {"rope_parameters", "1000000", "10000"});
  for (const char* key : {"rope_scaling", "rope_parameters"}) {
    expect_error(theta_of({{key, {{"factor", 2.0}}}}), StatusCode::kUnsupported,
                 {key, "factor", "2.0"});
    expect_error(theta_of({{key, {{"partial_rotary_factor", 0.25}}}}), StatusCode::kUnsupported,
                 {key, "partial_rotary_factor", "0.25"});
  }
}

TEST(HfConfig, ReadsRopeScalingInBothSpellings) {
  using Kind = RopeScaling::Kind;
  const auto scaling_of = [](const Json& changes) -> Result<RopeScaling> {
    const auto config = read_with(changes);  // of 64 positions
    if (!config.ok()) return config.status();
    return config->model.rope_scaling;
  };
  const RopeScaling linear{.kind = Kind::kLinear, .factor = 2};
  const Json linear_json = {{"rope_type", "linear"}, {"factor", 2}};
  const RopeScaling llama3{.kind = Kind::kLlama3,
                           .factor = 8,
                           .original_positions = 32,
                           .low_freq_factor = 1,
                           .high_freq_factor = 4};
  const Json llama3_json = {{"rope_type", "llama3"},
                            {"factor", 8},
                            {"low_freq_factor", 1},
                            {"high_freq_factor", 4},
                            {"original_max_position_embeddings", 32}};
  const RopeScaling yarn{.kind = Kind::kYarn,
                         .factor = 4,
                         .original_positions = 16,
                         .beta_fast = 32,
                         .beta_slow = 1,
                         .amplitude = 1.138629436111989};
  const Json yarn_json = {
      {"rope_type", "yarn"}, {"factor", 4}, {"original_max_position_embeddings", 16}};
  for (const auto& [json, expected] :
       {std::pair(linear_json, linear), std::pair(llama3_json, llama3),
        std::pair(yarn_json, yarn)}) {
    for (const char* key : {"rope_scaling", "rope_parameters"}) {
      const auto scaling = scaling_of({{key, json}});
      ASSERT_TRUE(scaling.ok()) << scaling.status().message();
      EXPECT_EQ(*scaling, expected) << describe(*scaling);
    }
    Json older = json;
    older["type"] = json["rope_type"];
    EXPECT_EQ(*scaling_of({{"rope_scaling", older}}), expected);
    older.erase("rope_type");
    EXPECT_EQ(*scaling_of({{"rope_scaling", older}, {"rope_parameters", json}}), expected);
    EXPECT_EQ(*scaling_of({{"rope_scaling", nullptr}, {"rope_parameters", json}}), expected);
  }
  expect_error(scaling_of({{"rope_scaling", linear_json}, {"rope_parameters", yarn_json}}),
               StatusCode::kDataCorrupt, {"rope_parameters", "contradicts rope_scaling"});
  expect_error(scaling_of({{"rope_scaling", {{"rope_type", "yarn"}, {"type", "linear"}}}}),
               StatusCode::kDataCorrupt, {"type = \"linear\" contradicts rope_type = \"yarn\""});
  for (const char* unknown : {"longrope", "dynamic", "su"})
    expect_error(scaling_of({{"rope_scaling", {{"rope_type", unknown}, {"factor", 4}}}}),
                 StatusCode::kUnsupported,
                 {"m/config.json: rope_scaling", fmt::format("rope_type = \"{}\"", unknown)});
}

TEST(HfConfig, FillsInWhatYarnLeavesOut) {
  const auto scaling_of = [](const Json& changes) {
    Json yarn = {{"rope_type", "yarn"}, {"factor", 4.0}};
    yarn.update(changes);
    const auto config = read_with({{"rope_scaling", yarn}});  // of 64 positions
    EXPECT_TRUE(config.ok()) << config.status().message();
    return config->model.rope_scaling;
  };
  EXPECT_EQ(scaling_of(Json::object()).original_positions, 64);
  EXPECT_EQ(scaling_of({{"factor", nullptr}, {"original_max_position_embeddings", 16}}).factor, 4);
  EXPECT_EQ(scaling_of({{"attention_factor", 1.25}}).amplitude, 1.25);
  EXPECT_EQ(scaling_of({{"factor", 1}}).amplitude, 1);
  EXPECT_EQ(scaling_of({{"mscale", 0.5}}).amplitude, 1.138629436111989) << "one alone says nothing";
  EXPECT_DOUBLE_EQ(
      scaling_of({{"factor", 40}, {"mscale", 0.707}, {"mscale_all_dim", 0.5}}).amplitude,
      1.064468903941252);
  const RopeScaling betas = scaling_of({{"beta_fast", 24}, {"beta_slow", 2}, {"truncate", false}});
  EXPECT_EQ(betas.beta_fast, 24);
  EXPECT_EQ(betas.beta_slow, 2);
  EXPECT_FALSE(betas.truncate);
}

TEST(HfConfig, RefusesScalingThatIsIncompleteOrOutOfRange) {
  const Json llama3 = {{"rope_type", "llama3"},
                       {"factor", 8},
                       {"low_freq_factor", 1},
                       {"high_freq_factor", 4},
                       {"original_max_position_embeddings", 32}};
  for (const char* key :
       {"factor", "low_freq_factor", "high_freq_factor", "original_max_position_embeddings"}) {
    Json incomplete = llama3;
    incomplete.erase(key);
    expect_error(read_with({{"rope_scaling", incomplete}}), StatusCode::kDataCorrupt,
                 {"rope_scaling", std::string(key) + " is missing"});
  }
  const Json yarn = {{"rope_type", "yarn"}, {"factor", 4}};
  const struct {
    Json base;
    const char* key;
    Json value;
  } wrong[] = {
      {llama3, "factor", 0.5},
      {llama3, "high_freq_factor", 1},
      {llama3, "low_freq_factor", 0},
      {llama3, "original_max_position_embeddings", 1.5},
      {yarn, "factor", "4"},
      {yarn, "beta_fast", 0},
      {yarn, "beta_slow", 33},
      {yarn, "truncate", 1},
      {yarn, "attention_factor", -1},
      {yarn, "factor", nullptr},
      {{{"rope_type", "linear"}}, "factor", nullptr},
  };
  for (const auto& [base, key, value] : wrong) {
    Json scaling = base;
    scaling[key] = value;
    expect_error(read_with({{"rope_scaling", scaling}}), StatusCode::kDataCorrupt,
                 {"m/config.json: rope_scaling", key});
  }
  expect_error(read_with({{"rope_scaling", yarn}, {"rope_theta", 1}}), StatusCode::kDataCorrupt,
               {"rope_theta = 1 with yarn"});
}

// Models with two kinds of layers have an object for each.
TEST(HfConfig, ReadsRopeOfTheLayersThatThereAre) {
  LoadReport report;
  const Json both = {{"full_attention", {{"rope_theta", 5e4}, {"rope_type", "default"}}},
                     {"sliding_attention", {{"rope_theta", 500}, {"rope_type", "default"}}}};
  const auto config = read_with({{"rope_theta", nullptr}, {"rope_parameters", both}}, &report);
  ASSERT_TRUE(config.ok()) << config.status().message();
  EXPECT_EQ(config->model.rope_theta, 5e4);
  EXPECT_TRUE(mentions(report.ignored_keys, "rope_parameters: sliding_attention"));
}

TEST(HfConfig, DerivesHeads) {
  EXPECT_EQ(read_without("num_key_value_heads")->model.kv_heads, 4);
  EXPECT_EQ(read_without("head_dim")->model.head_dim, 16);
  EXPECT_EQ(read_with({{"head_dim", 32}})->model.head_dim, 32);
  expect_error(read_with({{"num_key_value_heads", 3}}), StatusCode::kDataCorrupt,
               {"num_key_value_heads = 3", "num_attention_heads = 4"});
  expect_error(read_with({{"head_dim", nullptr}, {"hidden_size", 66}}), StatusCode::kDataCorrupt,
               {"hidden_size = 66", "num_attention_heads = 4"});
  expect_error(read_with({{"head_dim", 1 << 23}}), StatusCode::kDataCorrupt,
               {"num_attention_heads * head_dim", "exceeds"});
}

TEST(HfConfig, ReadsQuantization) {
  EXPECT_EQ(read_quantization({{"quantization_mode", "online"}})->storage, WeightStorage::kMasters);
  EXPECT_EQ(read_quantization({{"quantization_mode", nullptr}})->storage, WeightStorage::kPacked);
  EXPECT_EQ(read_quantization({{"linear_class", "bitlinear"}})->scale_rule, ScaleRule::kDivide);
  EXPECT_EQ(read_quantization({{"linear_class", nullptr}})->scale_rule, ScaleRule::kDivide);
  EXPECT_TRUE(read_quantization({{"modules_to_not_convert", {"lm_head"}}}).ok());
  LoadReport report;
  EXPECT_EQ(read_with({{"quantization_config", nullptr}}, &report)->storage,
            WeightStorage::kMasters);
  EXPECT_TRUE(mentions(report.notes, "no quantization_config"));

  const struct {
    const char* key;
    Json value;
  } unsupported[] = {
      {"quant_method", "gptq"},
      {"linear_class", "biglinear"},
      {"use_rms_norm", true},
      {"quantization_mode", "sideways"},
      {"modules_to_not_convert", {"lm_head", "q_proj"}},
      {"modules_to_not_convert", {"model.layers.3"}},
  };
  for (const auto& [key, value] : unsupported)
    expect_error(read_quantization({{key, value}}), StatusCode::kUnsupported,
                 {"m/config.json: quantization_config", key,
                  value.is_array() ? value.back().dump() : value.dump()});
  expect_error(read_quantization({{"modules_to_not_convert", "q_proj"}}), StatusCode::kDataCorrupt,
               {"modules_to_not_convert", "q_proj", "list"});
}

TEST(HfConfig, ReportsIgnoredKeys) {
  LoadReport report;
  ASSERT_TRUE(
      read_with({{"use_cache", true}, {"dtype", "float32"}, {"flux_capacitor", {1, 2}}}, &report)
          .ok());
  EXPECT_TRUE(
      mentions(report.ignored_keys, "m/config.json: use_cache = true (cannot change the result)"));
  EXPECT_TRUE(mentions(report.ignored_keys, "dtype = \"float32\" (cannot change the result)"));
  EXPECT_TRUE(mentions(report.ignored_keys, "m/config.json: flux_capacitor = [1,2] (unknown key)"));
  EXPECT_FALSE(mentions(report.ignored_keys, "hidden_size"));
}

TEST(HfConfig, TakesOneBosId) {
  EXPECT_EQ(read_with({{"bos_token_id", {5}}})->bos_ids, std::vector<int32_t>{5});
  EXPECT_TRUE(read_with({{"bos_token_id", nullptr}})->bos_ids.empty());
  expect_error(read_with({{"bos_token_id", {5, 6}}}), StatusCode::kUnsupported,
               {"bos_token_id", "2 ids"});
}

class GenerationConfig : public ::testing::Test {
 protected:
  Result<GenerationDefaults> read(const Json& generation) {
    const auto config = read_with({{"bos_token_id", 1}, {"eos_token_id", {2, 3, 2}}});
    EXPECT_TRUE(config.ok()) << config.status().message();
    return read_generation_config(generation.dump(), "m/generation_config.json", *config, &report_);
  }
  LoadReport report_;
};

TEST_F(GenerationConfig, JoinsStopIdsAndPrefersItsBos) {
  const auto both = read({{"bos_token_id", 9}, {"eos_token_id", {3, 4}}});
  ASSERT_TRUE(both.ok()) << both.status().message();
  EXPECT_EQ(both->bos_id, 9);
  EXPECT_EQ(both->stop_ids, (std::vector<int32_t>{2, 3, 4}));
  const auto fallback = read(Json::object());
  ASSERT_TRUE(fallback.ok()) << fallback.status().message();
  EXPECT_EQ(fallback->bos_id, 1);
  EXPECT_EQ(fallback->stop_ids, (std::vector<int32_t>{2, 3}));
  EXPECT_EQ(read({{"eos_token_id", 7}})->stop_ids, (std::vector<int32_t>{2, 3, 7}));
}

TEST_F(GenerationConfig, ReadsSampling) {
  const auto defaults = read({{"do_sample", true},
                              {"temperature", 0.6},
                              {"top_p", 0.9},
                              {"top_k", 40},
                              {"min_p", 0.05},
                              {"repetition_penalty", 1.1},
                              {"max_length", 100},
                              {"num_beams", 4}});
  ASSERT_TRUE(defaults.ok()) << defaults.status().message();
  EXPECT_TRUE(defaults->do_sample);
  EXPECT_EQ(defaults->temperature, 0.6);
  EXPECT_EQ(defaults->top_p, 0.9);
  EXPECT_EQ(defaults->top_k, 40);
  EXPECT_EQ(defaults->min_p, 0.05);
  EXPECT_EQ(defaults->repetition_penalty, 1.1);
  EXPECT_TRUE(mentions(report_.ignored_keys, "max_length = 100"));
  EXPECT_TRUE(mentions(report_.ignored_keys, "num_beams = 4 (unknown key)"));
}

TEST_F(GenerationConfig, ReadsBans) {
  const auto defaults = read({{"suppress_tokens", {7, 8}},
                              {"bad_words_ids", {{5}, {6, 7}, {2}}},
                              {"no_repeat_ngram_size", 3},
                              {"min_new_tokens", 4}});
  ASSERT_TRUE(defaults.ok()) << defaults.status().message();
  EXPECT_EQ(defaults->suppress_tokens, (std::vector<int32_t>{7, 8}));
  EXPECT_EQ(defaults->bad_words_ids, (std::vector<std::vector<int32_t>>{{5}, {6, 7}}))
      << "2 is a token to stop at";
  EXPECT_EQ(defaults->no_repeat_ngram_size, 3);
  EXPECT_EQ(defaults->unsupported_keys, std::vector<std::string>{"min_new_tokens = 4"});
}

TEST_F(GenerationConfig, NamesWrongValues) {
  const struct {
    const char* key;
    Json value;
  } wrong[] = {
      {"temperature", -0.5},
      {"temperature", "hot"},
      {"top_p", 1.5},
      {"min_p", -1},
      {"top_k", 1.5},
      {"top_k", -1},
      {"do_sample", 1},
      {"repetition_penalty", 0},
      {"suppress_tokens", {1, -1}},
      {"bad_words_ids", {1, 2}},
      {"bad_words_ids", Json::array({Json::array()})},
      {"no_repeat_ngram_size", -1},
      {"eos_token_id", 320},
  };
  for (const auto& [key, value] : wrong)
    expect_error(read({{key, value}}), StatusCode::kDataCorrupt,
                 {"m/generation_config.json", key, value.dump()});
}

}  // namespace
}  // namespace bitnetc::test
