// Whole GGUF files through load_model(): the same graph as the Hugging Face folder of the model,
// bit for bit, and what is refused or repaired.
#include <gtest/gtest.h>

#include <algorithm>
#include <bit>
#include <cmath>
#include <functional>

#include "frontend/gguf/gguf_architecture.h"
#include "frontend/load.h"
#include "frontend/tokenizer.h"
#include "runtime/math.h"
#include "tests/support/expect_error.h"
#include "tests/support/gguf_builder.h"
#include "tests/support/graph_expectations.h"
#include "tests/support/reference_model.h"

namespace bitnetc::test {
namespace {

constexpr ModelShape kShape = kGgufShape;

GgufBuilder model() {
  return make_gguf_model(kShape, make_packed_model(kShape, 51));
}

Result<LoadedModel> load(const GgufBuilder& builder) {
  TempFolder folder;
  write_file(folder.path() / "m.gguf", builder.bytes());
  return load_model(folder.file("m.gguf"));
}

// What load_model() says to a model that is changed in one place.
Result<LoadedModel> load_changed(const std::function<void(GgufBuilder&)>& change) {
  GgufBuilder builder = model();
  change(builder);
  return load(builder);
}

bool mentions(const std::vector<std::string>& lines, const std::string& part) {
  return std::ranges::any_of(
      lines, [&](const std::string& line) { return line.find(part) != std::string::npos; });
}

TEST(LoadGguf, HoldsTheSameModelAsTheFolder) {
  for (const bool tied : {true, false}) {
    ModelShape shape = kShape;
    shape.tied_head = tied;
    const ModelFiles files = make_packed_model(shape, 52);
    TempFolder folder;
    write_model(files, folder.path() / "hf");
    write_file(folder.path() / "m.gguf", make_gguf_model(shape, files).bytes());
    const auto from_folder = load_model(folder.file("hf"));
    const auto from_file = load_model(folder.file("m.gguf"));
    ASSERT_TRUE(from_folder.ok()) << from_folder.status().message();
    ASSERT_TRUE(from_file.ok()) << from_file.status().message();
    expect_same_graph(from_folder->graph, from_file->graph);
    EXPECT_EQ(from_file->graph.generation.bos_id, kShape.vocab - 2);
    EXPECT_EQ(from_file->graph.generation.stop_ids,
              std::vector<int32_t>{static_cast<int32_t>(kShape.vocab - 1)});
    ASSERT_EQ(from_file->graph.sources.size(), 1u);
    EXPECT_EQ(from_file->graph.sources[0].name, "m.gguf");
    EXPECT_TRUE(from_file->report.notes.empty());
  }
}

TEST(LoadGguf, TakesTheOtherNameOfTheArchitecture) {
  const auto loaded = load_changed([](GgufBuilder& gguf) {
    for (GgufBuilder::Value& value : gguf.values)
      if (value.key.starts_with("bitnet-b1.58"))
        value.key.replace(0, std::string("bitnet-b1.58").size(), "bitnet-25");
    gguf.value("general.architecture").bytes = gguf_string("bitnet-25");
  });
  EXPECT_TRUE(loaded.ok()) << loaded.status().message();
}

TEST(LoadGguf, MultipliesWithTheScaleTensor) {
  const auto plain = load(model());
  const auto scaled = load_changed(
      [](GgufBuilder& gguf) { gguf.add_tensor("blk.1.ffn_up.scale", {1}, 0, f32_bytes({0.5f})); });
  ASSERT_TRUE(plain.ok() && scaled.ok()) << scaled.status().message();
  for (size_t i = 0; i < plain->graph.ternary.size(); ++i) {
    const auto a = plain->graph.ternary[i].load(), b = scaled->graph.ternary[i].load();
    ASSERT_TRUE(a.ok() && b.ok());
    const float factor =
        a->n == kShape.intermediate && plain->graph.ternary[i].name == "model.layers.1.mlp.up_proj"
            ? 0.5f
            : 1.0f;
    EXPECT_EQ(b->scales.values[0], a->scales.values[0] * factor) << plain->graph.ternary[i].name;
  }
  expect_error(load_changed([](GgufBuilder& gguf) {
                 gguf.add_tensor("blk.1.ffn_up.scale", {1}, 0, f32_bytes({0}));
               }),
               StatusCode::kDataCorrupt, {"blk.1.ffn_up.scale: is 0"});
}

TEST(LoadGguf, ReadsLinearRopeScaling) {
  const auto scaling_with = [](const std::function<void(GgufBuilder&)>& change) {
    const auto loaded = load_changed(change);
    EXPECT_TRUE(loaded.ok()) << loaded.status().message();
    return loaded->graph.config.rope_scaling;
  };
  const RopeScaling by_two{.kind = RopeScaling::Kind::kLinear, .factor = 2};
  EXPECT_EQ(scaling_with([](GgufBuilder& gguf) {
              gguf.add_text("bitnet-b1.58.rope.scaling.type", "linear");
              gguf.add_f32("bitnet-b1.58.rope.scaling.factor", 2);
            }),
            by_two);
  EXPECT_EQ(
      scaling_with([](GgufBuilder& gguf) { gguf.add_f32("bitnet-b1.58.rope.scaling.factor", 2); }),
      by_two);
  EXPECT_EQ(scaling_with([](GgufBuilder& gguf) {
              gguf.add_text("bitnet-b1.58.rope.scaling.type", "linear");
              gguf.add_f32("bitnet-b1.58.rope.scaling.factor", 1);
            }),
            RopeScaling());
}

// The factors of kShape's 16 pairs, in single precision as converters compute them, for a context
// of training of 8192 positions.
std::vector<float> llama3_factors(float factor) {
  std::vector<float> factors;
  for (int i = 0; i < 16; ++i) {
    const float frequency = 1 / std::pow(500000.0f, static_cast<float>(2 * i) / 32);
    const float wave = 2 * 3.14159265f / frequency;
    const float smooth = (8192 / wave - 1) / (4 - 1);
    factors.push_back(wave < 8192.0f / 4 ? 1
                      : wave > 8192      ? factor
                                         : 1 / ((1 - smooth) / factor + smooth));
  }
  return factors;
}

TEST(LoadGguf, ReadsYarnAndLlama3RopeScaling) {
  const auto scaling_with = [](const std::function<void(GgufBuilder&)>& change) {
    const auto loaded = load_changed(change);
    EXPECT_TRUE(loaded.ok()) << loaded.status().message();
    EXPECT_TRUE(loaded->report.notes.empty());
    return loaded->graph.config.rope_scaling;
  };
  const double published = math::yarn_amplitude(4);
  EXPECT_DOUBLE_EQ(published, 0.1 * std::log(4.0) + 1);
  RopeScaling yarn{.kind = RopeScaling::Kind::kYarn,
                   .factor = 4,
                   .original_positions = kShape.max_positions,
                   .beta_fast = 32,
                   .beta_slow = 1,
                   .amplitude = published};
  const auto add_yarn = [](GgufBuilder& gguf) {
    gguf.add_text("bitnet-b1.58.rope.scaling.type", "yarn");
    gguf.add_f32("bitnet-b1.58.rope.scaling.factor", 4);
  };
  EXPECT_EQ(scaling_with(add_yarn), yarn);
  yarn.original_positions = 16;
  yarn.beta_fast = 8;
  yarn.beta_slow = 2;
  yarn.amplitude = 0.5 * published;
  EXPECT_EQ(scaling_with([&](GgufBuilder& gguf) {
              add_yarn(gguf);
              gguf.add_u32("bitnet-b1.58.rope.scaling.original_context_length", 16);
              gguf.add_f32("bitnet-b1.58.rope.scaling.yarn_beta_fast", 8);
              gguf.add_f32("bitnet-b1.58.rope.scaling.yarn_beta_slow", 2);
              gguf.add_f32("bitnet-b1.58.rope.scaling.attn_factor", 0.5f);
            }),
            yarn);
  EXPECT_EQ(scaling_with([](GgufBuilder& gguf) {
              gguf.add_tensor("rope_freqs.weight", {16}, 0, f32_bytes(llama3_factors(8)));
            }),
            (RopeScaling{.kind = RopeScaling::Kind::kLlama3,
                         .factor = 8,
                         .original_positions = 8192,
                         .low_freq_factor = 1,
                         .high_freq_factor = 4}));
  EXPECT_EQ(scaling_with([](GgufBuilder& gguf) {
              gguf.add_tensor("rope_freqs.weight", {16}, 0, f32_bytes(llama3_factors(1)));
            }),
            RopeScaling());
}

TEST(LoadGguf, RefusesWhatContradictsItself) {
  const auto refuse = [](const std::function<void(GgufBuilder&)>& change, StatusCode code,
                         std::initializer_list<std::string> named) {
    const auto loaded = load_changed(change);
    expect_error(loaded, code, {"m.gguf"});
    expect_error(loaded, code, named);
  };
  const auto with_u32 = [](const char* key, uint32_t value) {
    return [=](GgufBuilder& gguf) {
      gguf.remove(key);
      gguf.add_u32(key, value);
    };
  };
  const std::string arch = "bitnet-b1.58.";
  refuse(with_u32("bitnet-b1.58.block_count", 3), StatusCode::kNotFound, {"blk.2."});
  refuse(with_u32("bitnet-b1.58.block_count", 1), StatusCode::kDataCorrupt,
         {"block_count is 1", "blk.1."});
  refuse(with_u32("bitnet-b1.58.attention.head_count", 0), StatusCode::kDataCorrupt,
         {"head_count is u32 0"});
  refuse(with_u32("bitnet-b1.58.attention.head_count", 3), StatusCode::kDataCorrupt,
         {"head_count"});
  refuse(with_u32("bitnet-b1.58.attention.head_count_kv", 3), StatusCode::kDataCorrupt,
         {"head_count_kv = 3 does not divide"});
  refuse(with_u32("bitnet-b1.58.vocab_size", 299), StatusCode::kDataCorrupt,
         {"tokenizer.ggml.tokens has 300 tokens"});
  refuse(with_u32("bitnet-b1.58.rope.dimension_count", 16), StatusCode::kUnsupported,
         {"rope.dimension_count = u32 16"});
  refuse(with_u32("bitnet-b1.58.attention.sliding_window", 512), StatusCode::kUnsupported,
         {"sliding_window"});
  refuse(with_u32("prism.hadamard.version", 1), StatusCode::kUnsupported, {"prism.hadamard"});
  refuse(
      [](GgufBuilder& gguf) {
        gguf.add_text("bitnet-b1.58.rope.scaling.type", "none");
        gguf.add_f32("bitnet-b1.58.rope.scaling.factor", 2);
      },
      StatusCode::kDataCorrupt, {"rope.scaling.type = \"none\" contradicts", "factor = 2"});
  refuse([](GgufBuilder& gguf) { gguf.add_f32("bitnet-b1.58.rope.scaling.factor", 0.5); },
         StatusCode::kDataCorrupt, {"rope.scaling.factor"});
  refuse([](GgufBuilder& gguf) { gguf.add_text("bitnet-b1.58.rope.scaling.type", "longrope"); },
         StatusCode::kUnsupported, {"rope.scaling.type = \"longrope\""});
  refuse([](GgufBuilder& gguf) { gguf.add_text("bitnet-b1.58.rope.scaling.type", "yarn"); },
         StatusCode::kDataCorrupt, {"rope.scaling.factor is missing"});
  const auto with_yarn = [](const char* key, float value) {
    return [=](GgufBuilder& gguf) {
      gguf.add_text("bitnet-b1.58.rope.scaling.type", "yarn");
      gguf.add_f32("bitnet-b1.58.rope.scaling.factor", 4);
      gguf.add_f32(key, value);
    };
  };
  refuse(with_yarn("bitnet-b1.58.rope.scaling.yarn_log_multiplier", 0.1f), StatusCode::kUnsupported,
         {"yarn_log_multiplier"});
  refuse(with_yarn("bitnet-b1.58.rope.scaling.yarn_attn_factor", 0.5f), StatusCode::kUnsupported,
         {"yarn_attn_factor"});
  refuse(with_yarn("bitnet-b1.58.rope.scaling.yarn_beta_fast", 0.5f), StatusCode::kDataCorrupt,
         {"yarn_beta_fast = 0.5 is below", "yarn_beta_slow = 1"});
  const std::vector<float> doubled(16, 2);
  refuse(
      [&](GgufBuilder& gguf) { gguf.add_tensor("rope_freqs.weight", {16}, 0, f32_bytes(doubled)); },
      StatusCode::kUnsupported,
      {"rope_freqs.weight: its factors, 2 to 2, are not those of llama3"});
  refuse([](GgufBuilder& gguf) { gguf.add_tensor("rope_freqs.weight", {1}, 0, f32_bytes({2})); },
         StatusCode::kDataCorrupt, {"rope_freqs.weight", "expected 16 elements"});
  refuse(
      [](GgufBuilder& gguf) {
        gguf.add_f32("bitnet-b1.58.rope.scaling.factor", 2);
        gguf.add_tensor("rope_freqs.weight", {16}, 0, f32_bytes(llama3_factors(8)));
      },
      StatusCode::kUnsupported, {"rope_freqs.weight: scales RoPE besides", "linear, factor 2"});
  refuse(with_u32("bitnet-b1.58.pooling_type", 1), StatusCode::kUnsupported, {"pooling_type"});
  refuse([](GgufBuilder& gguf) { gguf.add_text("bitnet-b1.58.hidden_activation", "silu"); },
         StatusCode::kUnsupported, {"hidden_activation = \"silu\"", "relu2"});
  refuse([](GgufBuilder& gguf) { gguf.add_text("general.type", "adapter"); },
         StatusCode::kUnsupported, {"general.type"});
  refuse([](GgufBuilder& gguf) { gguf.remove("general.architecture"); }, StatusCode::kDataCorrupt,
         {"general.architecture is missing"});
  refuse(
      [](GgufBuilder& gguf) { gguf.value("general.architecture").bytes = gguf_string("x\x1b[2J"); },
      StatusCode::kUnsupported, {"general.architecture = \"x\\x1b[2J\"", "bitnet-b1.58"});
  refuse(
      [](GgufBuilder& gguf) {
        std::swap(gguf.tensor("blk.0.ffn_down.weight").extents[0],
                  gguf.tensor("blk.0.ffn_down.weight").extents[1]);
      },
      StatusCode::kDataCorrupt, {"blk.0.ffn_down.weight", "[128, 256]", "[256, 128]"});
  refuse([](GgufBuilder& gguf) { gguf.remove("tokenizer.ggml.model"); }, StatusCode::kNotFound,
         {"tokenizer"});
}

TEST(LoadGguf, NotesWhatIsNotUsedWithoutControlCharacters) {
  const auto loaded = load_changed([](GgufBuilder& gguf) {
    gguf.add_u32("\x1b[2Jkey", 1);
    gguf.add_u32("bitnet-b1.58.new_thing", 1);
    gguf.add_tensor("evil\x1b]0;pwned\x07", {1}, 0, f32_bytes({1}));
    gguf.value("general.file_type").bytes = le_bytes(2, 4);  // decides nothing
  });
  ASSERT_TRUE(loaded.ok()) << loaded.status().message();
  EXPECT_TRUE(mentions(loaded->report.ignored_keys, "\\x1b[2Jkey"));
  EXPECT_TRUE(mentions(loaded->report.notes, "bitnet-b1.58.new_thing is not known"));
  EXPECT_TRUE(mentions(loaded->report.notes, "evil\\x1b]0;pwned\\x07"));
}

TEST(LoadGguf, ReadsNumbersOfAnyType) {
  const auto loaded = load_changed([](GgufBuilder& gguf) {
    gguf.value("bitnet-b1.58.block_count") = {"bitnet-b1.58.block_count", 10, le_bytes(2, 8)};
    gguf.value("bitnet-b1.58.embedding_length") = {"bitnet-b1.58.embedding_length", 5,
                                                   le_bytes(128, 4)};
    gguf.remove("bitnet-b1.58.attention.head_count_kv");
    gguf.add_i32s("bitnet-b1.58.attention.head_count_kv", {2, 2});
  });
  EXPECT_TRUE(loaded.ok()) << loaded.status().message();
  expect_error(load_changed([](GgufBuilder& gguf) {
                 gguf.remove("bitnet-b1.58.attention.head_count_kv");
                 gguf.add_i32s("bitnet-b1.58.attention.head_count_kv", {2, 4});
               }),
               StatusCode::kUnsupported, {"head_count_kv", "layer 1"});
}

TEST(LoadGguf, KeepsQuantisedTablesExactlyAndSaysSo) {
  const auto loaded = load_changed([](GgufBuilder& gguf) {
    GgufBuilder::Tensor& table = gguf.tensor("token_embd.weight");
    table.type = 8;
    table.bytes.clear();
    for (int64_t block = 0; block < kShape.vocab * kShape.hidden / 32; ++block) {
      table.bytes += le_bytes(0x2c00, 2);
      for (int i = 0; i < 32; ++i) table.bytes += static_cast<char>((block * 7 + i * 5) % 251);
    }
  });
  ASSERT_TRUE(loaded.ok()) << loaded.status().message();
  EXPECT_EQ(loaded->graph.tables[0].type, FloatType::kF32);
  EXPECT_EQ(loaded->graph.tables[0].name, "model.embed_tokens.weight");
  EXPECT_TRUE(mentions(loaded->report.notes, "token_embd.weight: type Q8_0 is kept as f32"));
}

TEST(LoadGguf, ReadsThePoolingOfTextEncoders) {
  const std::string bytes = read_file(reference_folder("embedding-qwen3") + "/model.gguf");
  const std::string key = "qwen3.pooling_type";
  const auto load_with = [&](char pooling) {
    std::string changed = bytes;
    changed[changed.find(key) + key.size() + 4] = pooling;
    TempFolder folder;
    write_file(folder.path() / "m.gguf", changed);
    return load_model(folder.file("m.gguf"));
  };
  const std::optional<Pooling> poolings[] = {std::nullopt, Pooling::kMean, Pooling::kFirst,
                                             Pooling::kLast};
  for (char pooling = 0; pooling < 4; ++pooling) {
    const auto loaded = load_with(pooling);
    ASSERT_TRUE(loaded.ok()) << loaded.status().message();
    EXPECT_EQ(loaded->graph.encoder.pooling, poolings[static_cast<size_t>(pooling)]);
  }
  expect_error(load_with(4), StatusCode::kUnsupported, {"m.gguf", "pooling_type = 4 (rank)"});
  expect_error(load_with(5), StatusCode::kDataCorrupt, {"pooling_type is u32 5", "0 to 4"});
}

// A Qwen3 without norms in front of its projections, whose attn_q has a scale for each block of
// `group` elements.
GgufBuilder qwen3_with_groups(uint64_t group) {
  const std::string arch = "qwen3.";
  GgufBuilder gguf;
  gguf.add_text("general.architecture", "qwen3");
  for (const auto& [key, value] :
       {std::pair("context_length", 64), std::pair("embedding_length", 256),
        std::pair("block_count", 1), std::pair("feed_forward_length", 256),
        std::pair("attention.head_count", 2), std::pair("attention.key_length", 8),
        std::pair("attention.value_length", 8)})
    gguf.add_u32(arch + key, static_cast<uint32_t>(value));
  gguf.add_f32(arch + "attention.layer_norm_rms_epsilon", 1e-6f);
  std::string blocks;
  for (uint64_t block = 0; block < 16 * 256 / group; ++block) {
    blocks += le_bytes(0x2c00 + block, 2);     // fp16
    blocks += std::string(group / 4, '\x24');  // codes 0, 1, 2 and 0
  }
  gguf.add_tensor("blk.0.attn_q.weight", {256, 16}, 42, blocks);
  gguf.add_tensor("token_embd.weight", {256, 2}, 0, std::string(256 * 2 * 4, '\0'));
  return gguf;
}

TEST(LoadGguf, RefusesAndOutlinesTernaryModelsWithGroupScales) {
  for (const uint64_t group : {64, 128}) {
    const GgufBuilder gguf = qwen3_with_groups(group);
    expect_error(load(gguf), StatusCode::kUnsupported, {"m.gguf", "is a Qwen3 language model"});
    TempFolder folder;
    write_file(folder.path() / "m.gguf", gguf.bytes());
    const auto outline = outline_model(folder.file("m.gguf"));
    ASSERT_TRUE(outline.ok()) << outline.status().message();
    EXPECT_EQ(outline->weights,
              fmt::format("Q2_0{}, ternary with a scale per {} columns of a row, float activations",
                          group == 128 ? " with groups of 128" : "", group));
    EXPECT_EQ(outline->config.output, ModelOutput::kLogits);
    EXPECT_EQ(outline->config.hidden_size, 256);
    EXPECT_EQ(outline->weight_bytes, gguf.bytes().size());
  }
  TempFolder folder;
  write_file(folder.path() / "m.gguf", model().bytes());
  EXPECT_EQ(outline_model(folder.file("m.gguf"))->weights,
            "I2_S, ternary with one scale per matrix");
}

std::vector<int32_t> ids_of(const Graph& graph, const std::string& text) {
  const auto tokenizer = Tokenizer::from_json(graph.tokenizer_json, "t");
  if (!tokenizer.ok()) throw std::runtime_error(tokenizer.status().message());
  return (*tokenizer)->encode(text).value();
}

TEST(GgufTokenizer, RepairsTheOfficialFile) {
  const auto right = load(model());
  const auto repaired = load_changed([](GgufBuilder& gguf) {
    gguf.remove("tokenizer.ggml.pre");
    gguf.add_text("tokenizer.chat_template", "Human: x\n\nBITNETAssistant: ");
  });
  ASSERT_TRUE(repaired.ok()) << repaired.status().message();
  EXPECT_EQ(repaired->graph.tokenizer_json, right->graph.tokenizer_json);
  EXPECT_TRUE(mentions(repaired->report.notes, "tokenizer.ggml.pre is missing"));
  EXPECT_TRUE(mentions(repaired->report.notes, "tokenizer.chat_template is that of another"));
  EXPECT_NE(repaired->graph.chat_template.find("capitalize"), std::string::npos);
  const auto other = load_changed([](GgufBuilder& gguf) {
    gguf.value("tokenizer.ggml.pre").bytes = gguf_string("default");
    gguf.add_text("tokenizer.chat_template", "mine");
  });
  ASSERT_TRUE(other.ok()) << other.status().message();
  EXPECT_TRUE(mentions(other->report.notes, "tokenizer.ggml.pre is \"default\""));
  EXPECT_EQ(other->graph.chat_template, "mine");
}

TEST(GgufTokenizer, PutsTheFrameAroundTexts) {
  const auto bos = static_cast<int32_t>(kShape.vocab - 2), eos = bos + 1;
  const auto frame = [&](std::optional<bool> begins, std::optional<bool> ends) {
    const auto loaded = load_changed([&](GgufBuilder& gguf) {
      gguf.remove("tokenizer.ggml.add_bos_token");
      if (begins) gguf.add_bool("tokenizer.ggml.add_bos_token", *begins);
      if (ends) gguf.add_bool("tokenizer.ggml.add_eos_token", *ends);
    });
    return ids_of(loaded->graph, "");
  };
  EXPECT_EQ(frame(true, {}), std::vector<int32_t>{bos});
  EXPECT_EQ(frame({}, {}), std::vector<int32_t>{bos}) << "as the rule llama-bpe has it";
  EXPECT_EQ(frame(false, {}), std::vector<int32_t>{});
  EXPECT_EQ(frame(true, true), (std::vector<int32_t>{bos, eos}));
  expect_error(load_changed([](GgufBuilder& gguf) { gguf.remove("tokenizer.ggml.bos_token_id"); }),
               StatusCode::kDataCorrupt, {"add_bos_token is true", "bos_token_id is missing"});
}

// A chat template that begins with bos_token gives the begin of text.
TEST(GgufTokenizer, NamesTheSpecialTokensOfChatTemplates) {
  const auto loaded =
      load_changed([](GgufBuilder& gguf) { gguf.add_u32("tokenizer.ggml.padding_token_id", 299); });
  ASSERT_TRUE(loaded.ok()) << loaded.status().message();
  const std::map<std::string, std::string> expected = {{"bos_token", "<|begin_of_text|>"},
                                                       {"eos_token", "<|end_of_text|>"},
                                                       {"pad_token", "<|end_of_text|>"}};
  EXPECT_EQ(loaded->graph.special_tokens, expected);
}

TEST(GgufTokenizer, FindsEveryEndOfText) {
  const auto loaded = load_changed([](GgufBuilder& gguf) {
    auto tokens = std::vector<std::string>();
    gguf.add_u32("tokenizer.ggml.eot_token_id", 5);
    gguf.add_u32("tokenizer.ggml.eom_token_id", 5);
  });
  ASSERT_TRUE(loaded.ok()) << loaded.status().message();
  EXPECT_EQ(loaded->graph.generation.stop_ids,
            (std::vector<int32_t>{static_cast<int32_t>(kShape.vocab - 1), 5}));
}

TEST(GgufTokenizer, RefusesWhatItCannotRead) {
  const auto refuse = [](const char* key, GgufBuilder::Value value, StatusCode code,
                         std::initializer_list<std::string> named) {
    const auto loaded = load_changed([&](GgufBuilder& gguf) {
      gguf.remove(key);
      value.key = key;
      gguf.values.push_back(value);
    });
    expect_error(loaded, code, {"m.gguf", key});
    expect_error(loaded, code, named);
  };
  refuse("tokenizer.ggml.pre", {"", 8, gguf_string("no_such_pre")}, StatusCode::kUnsupported,
         {"no_such_pre", "llama-bpe"});
  refuse("tokenizer.ggml.model", {"", 8, gguf_string("bert")}, StatusCode::kUnsupported,
         {"\"bert\"", "gpt2"});
  refuse("tokenizer.ggml.merges", {"", 9, le_bytes(8, 4) + le_bytes(1, 8) + gguf_string("ab")},
         StatusCode::kDataCorrupt, {"entry 0 is \"ab\""});
  refuse("tokenizer.ggml.tokens", {"", 9, le_bytes(8, 4) + le_bytes(1, 8) + gguf_string("\xff")},
         StatusCode::kDataCorrupt, {"token 0 is not UTF-8"});
  refuse("tokenizer.ggml.token_type", {"", 9, le_bytes(5, 4) + le_bytes(1, 8) + le_bytes(1, 4)},
         StatusCode::kDataCorrupt, {"1 entries for 300 tokens"});
  refuse("tokenizer.ggml.bos_token_id", {"", 4, le_bytes(300, 4)}, StatusCode::kDataCorrupt,
         {"u32 300", "from 0 to 299"});
}

// Pieces with scores: "ab" is made before "bc", and "abc" of "ab" and "c".
TEST(GgufTokenizer, MergesPiecesByScore) {
  const std::string mark = "\u2581";
  const auto with_pieces = [&](bool prefix, const std::function<void(GgufBuilder&)>& change) {
    return load_changed([&](GgufBuilder& gguf) {
      std::vector<std::string> tokens = {"<unk>", "<s>", "</s>", "<0x41>",   "a",   "b",        "c",
                                         mark,    "ab",  "bc",   mark + "a", "abc", mark + mark};
      std::vector<int32_t> types = {2, 3, 3, 6, 1, 1, 1, 1, 1, 1, 1, 1, 4};
      std::vector<float> scores = {0, 0, 0, 0, -20, -21, -22, -23, -1, -2, -3, -4, 0};
      for (const char* key :
           {"model", "pre", "tokens", "token_type", "merges", "bos_token_id", "eos_token_id"})
        gguf.remove(std::string("tokenizer.ggml.") + key);
      gguf.add_text("tokenizer.ggml.model", "llama");
      gguf.add_texts("tokenizer.ggml.tokens", tokens);
      gguf.add_i32s("tokenizer.ggml.token_type", types);
      gguf.values.push_back({"tokenizer.ggml.scores", 9,
                             le_bytes(6, 4) + le_bytes(scores.size(), 8) + f32_bytes(scores)});
      gguf.add_u32("tokenizer.ggml.bos_token_id", 1);
      gguf.add_u32("tokenizer.ggml.eos_token_id", 2);
      gguf.add_u32("tokenizer.ggml.unknown_token_id", 0);
      gguf.add_bool("tokenizer.ggml.add_space_prefix", prefix);
      change(gguf);
    });
  };
  const auto loaded = with_pieces(true, [](GgufBuilder&) {});
  ASSERT_TRUE(loaded.ok()) << loaded.status().message();
  EXPECT_EQ(ids_of(loaded->graph, "abc"), (std::vector<int32_t>{1, 7, 11}));
  EXPECT_EQ(ids_of(loaded->graph, "aA"), (std::vector<int32_t>{1, 10, 3})) << "A is a byte";
  EXPECT_EQ(ids_of(loaded->graph, "a</s>b"), (std::vector<int32_t>{1, 10, 2, 7, 5}));
  const auto bare = with_pieces(false, [](GgufBuilder&) {});
  ASSERT_TRUE(bare.ok()) << bare.status().message();
  EXPECT_EQ(ids_of(bare->graph, "bc a"), (std::vector<int32_t>{1, 9, 10}));
  EXPECT_EQ(ids_of(bare->graph, "bc  a"), (std::vector<int32_t>{1, 9, 12, 4}))
      << "user-defined pieces stand for the spaces of a text";
  EXPECT_EQ(ids_of(bare->graph, "bc" + mark + mark + "a"), (std::vector<int32_t>{1, 9, 12, 4}));
  const auto tokenizer = Tokenizer::from_json(loaded->graph.tokenizer_json, "t");
  ASSERT_TRUE(tokenizer.ok());
  EXPECT_EQ((*tokenizer)->decode(std::vector<int32_t>{1, 10, 7, 11, 3}).value(), "a abcA");
  expect_error(with_pieces(true, [](GgufBuilder& gguf) { gguf.remove("tokenizer.ggml.scores"); }),
               StatusCode::kDataCorrupt, {"tokenizer.ggml.scores is missing"});
  expect_error(with_pieces(true,
                           [](GgufBuilder& gguf) {
                             gguf.add_bool("tokenizer.ggml.remove_extra_whitespaces", true);
                           }),
               StatusCode::kUnsupported, {"remove_extra_whitespaces"});
}

TEST(GgufTokenizer, TakesAWholeTokenizerWhereThereIsOne) {
  const std::string whole = make_packed_model(kShape, 51).tokenizer_json;
  const auto loaded = load_changed([&](GgufBuilder& gguf) {
    gguf.add_text("tokenizer.huggingface.json", whole);
    gguf.value("tokenizer.ggml.model").bytes = gguf_string("anything");
  });
  ASSERT_TRUE(loaded.ok()) << loaded.status().message();
  EXPECT_EQ(loaded->graph.tokenizer_json, whole);
}

TEST(GgufArchitecture, NamesTensors) {
  const GgufArchitecture& bitnet = *find_gguf_architecture("bitnet-b1.58");
  EXPECT_EQ(gguf_tensor_name(bitnet, "model.layers.12.self_attn.attn_sub_norm"),
            "blk.12.attn_sub_norm");
  EXPECT_EQ(gguf_tensor_name(bitnet, "lm_head"), "output");
  EXPECT_EQ(gguf_tensor_name(bitnet, "model.layers.x.mlp.up_proj"), std::nullopt);
  const GgufArchitecture& llama = *find_gguf_architecture("llama");
  EXPECT_EQ(gguf_tensor_name(llama, "model.layers.0.self_attn.attn_sub_norm"), std::nullopt);
  EXPECT_TRUE(llama.permutes_qk);
  EXPECT_FALSE(bitnet.permutes_qk);
  EXPECT_EQ(gguf_layer_of("blk.3.attn_q.weight"), 3);
  EXPECT_EQ(gguf_layer_of("output.weight"), std::nullopt);
  EXPECT_EQ(gguf_architecture_of_family("bitnet")->name, "bitnet-b1.58");
}

}  // namespace
}  // namespace bitnetc::test
