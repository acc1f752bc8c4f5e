// Whole folders through load_model(): what is accepted, bit for bit, and what is refused, with the
// words the message must hold. Small random models.
#include <gtest/gtest.h>

#include <algorithm>
#include <bit>
#include <cmath>
#include <cstring>
#include <random>

#include "frontend/load.h"
#include "tests/support/expect_error.h"
#include "tests/support/model_folder.h"

namespace bitnetc::test {
namespace {

Result<LoadedModel> load(const ModelFiles& model) {
  TempFolder folder;
  write_model(model, folder.path());
  return load_model(folder.path().string());
}

bool mentions(const std::vector<std::string>& lines, const std::string& part) {
  return std::any_of(lines.begin(), lines.end(),
                     [&](const std::string& line) { return line.find(part) != std::string::npos; });
}

TensorData bf16_scalar(uint16_t bits) {
  return {"BF16", {1}, {static_cast<uint8_t>(bits & 0xff), static_cast<uint8_t>(bits >> 8)}};
}

void expect_same_ternary(const Graph& a, const Graph& b) {
  ASSERT_EQ(a.ternary.size(), b.ternary.size());
  for (size_t i = 0; i < a.ternary.size(); ++i) {
    EXPECT_EQ(a.ternary[i].name, b.ternary[i].name);
    const auto x = a.ternary[i].load(), y = b.ternary[i].load();
    ASSERT_TRUE(x.ok()) << x.status().message();
    ASSERT_TRUE(y.ok()) << y.status().message();
    EXPECT_EQ(x->n, y->n);
    EXPECT_EQ(x->k, y->k);
    EXPECT_EQ(x->trits, y->trits) << a.ternary[i].name;
    EXPECT_EQ(std::bit_cast<uint32_t>(x->scales.values[0]),
              std::bit_cast<uint32_t>(y->scales.values[0]))
        << a.ternary[i].name;
  }
}

TEST(LoadModel, RecordsEveryFileItRead) {
  TempFolder folder;
  write_model(make_packed_model({}, 3), folder.path());
  write_file(folder.path() / "chat_template.jinja", "abc");
  const auto model = load_model(folder.path().string());
  ASSERT_TRUE(model.ok()) << model.status().message();
  std::vector<std::string> names;
  for (const SourceFile& source : model->graph.sources) {
    names.push_back(source.name);
    EXPECT_EQ(source.size_bytes, read_file(folder.path() / source.name).size());
    EXPECT_EQ(source.xxh3.size(), 32u);
    // XXH3 128 of "abc", from the algorithm's own test vectors (xxh128sum).
    if (source.name == "chat_template.jinja") {
      EXPECT_EQ(source.xxh3, "06b05ab6733a618578af5f94892f3950");
    }
  }
  EXPECT_EQ(names, (std::vector<std::string>{"config.json", "tokenizer.json",
                                             "tokenizer_config.json", "chat_template.jinja",
                                             "generation_config.json", "model.safetensors"}));
}

TEST(LoadModel, BuildsTheGraphInOrder) {
  const auto model = load(make_packed_model({.layers = 1}, 4));
  ASSERT_TRUE(model.ok()) << model.status().message();
  std::vector<std::string> names;
  for (const Node& node : model->graph.nodes) names.push_back(node.name);
  const std::vector<std::string> expected = {"embed_tokens",
                                             "layers.0.input_layernorm",
                                             "layers.0.q_proj",
                                             "layers.0.k_proj",
                                             "layers.0.v_proj",
                                             "layers.0.q_rope",
                                             "layers.0.k_rope",
                                             "layers.0.attention",
                                             "layers.0.attn_sub_norm",
                                             "layers.0.o_proj",
                                             "layers.0.attn_add",
                                             "layers.0.post_attention_layernorm",
                                             "layers.0.gate_proj",
                                             "layers.0.up_proj",
                                             "layers.0.glu",
                                             "layers.0.ffn_sub_norm",
                                             "layers.0.down_proj",
                                             "layers.0.ffn_add",
                                             "norm",
                                             "lm_head"};
  EXPECT_EQ(names, expected);
  const auto& nodes = model->graph.nodes;
  EXPECT_EQ(nodes[10].inputs, (std::vector<ValueId>{nodes[0].output, nodes[9].output}));
  EXPECT_EQ(nodes[14].inputs, (std::vector<ValueId>{nodes[12].output, nodes[13].output}));
  EXPECT_EQ(nodes[17].inputs, (std::vector<ValueId>{nodes[10].output, nodes[16].output}));
  EXPECT_EQ(nodes[2].inputs, nodes[4].inputs);
  EXPECT_EQ(nodes[19].weight, nodes[0].weight) << "the tied head is the embedding";
  EXPECT_EQ(model->graph.ternary[0].name, "model.layers.0.self_attn.q_proj");
}

TEST(LoadModel, PackedAndMastersGiveTheSameBits) {
  const ModelShape shapes[] = {
      {},
      {.hidden = 30, .intermediate = 42, .q_heads = 3, .kv_heads = 3, .head_dim = 10},
      {.hidden = 48, .intermediate = 33, .layers = 1, .q_heads = 2, .kv_heads = 1, .head_dim = 36},
  };
  for (const ModelShape& shape : shapes)
    for (uint64_t seed = 0; seed < 3; ++seed) {
      const auto packed = load(make_packed_model(shape, seed));
      const auto masters = load(make_master_model(shape, seed));
      ASSERT_TRUE(packed.ok()) << packed.status().message();
      ASSERT_TRUE(masters.ok()) << masters.status().message();
      expect_same_ternary(packed->graph, masters->graph);
      EXPECT_TRUE(mentions(masters->report.notes, "absmean"));
      EXPECT_FALSE(mentions(packed->report.notes, "absmean"));
    }
}

TEST(LoadModel, UnpacksALiteralByte) {
  // Five rows make two packed rows; column 0 of each is set by hand.
  ModelFiles files = make_packed_model({.hidden = 64, .intermediate = 5}, 5);
  TensorData& up = files.tensors.at("model.layers.0.mlp.up_proj.weight");
  ASSERT_EQ(up.shape, (std::vector<int64_t>{2, 64}));
  up.bytes[0] = 0b11'01'00'10;   // rows 0, 2, 4: +1, -1, 0; the absent row 6 may hold anything
  up.bytes[64] = 0b11'11'10'00;  // rows 1, 3: -1, +1
  const auto model = load(files);
  ASSERT_TRUE(model.ok()) << model.status().message();
  const auto matrix = model->graph.ternary[5].load();
  ASSERT_TRUE(matrix.ok()) << matrix.status().message();
  EXPECT_EQ(matrix->trits[0 * 64], 1);
  EXPECT_EQ(matrix->trits[1 * 64], -1);
  EXPECT_EQ(matrix->trits[2 * 64], -1);
  EXPECT_EQ(matrix->trits[3 * 64], 1);
  EXPECT_EQ(matrix->trits[4 * 64], 0);
}

TEST(LoadModel, QuantisesLiteralMasters) {
  // mean |W| = 1, so a half rounds to even (0) and more than a half to 1; 2^-k values are exact in
  // f16.
  ModelFiles files = make_master_model(
      {.hidden = 4, .intermediate = 1, .q_heads = 1, .kv_heads = 1, .head_dim = 4}, 6);
  const float weights[] = {0.5f, -0.75f, 2.25f, -0.5f};
  TensorData& gate = files.tensors.at("model.layers.0.mlp.gate_proj.weight");
  gate.dtype = "F32";
  gate.bytes.resize(sizeof weights);
  std::memcpy(gate.bytes.data(), weights, sizeof weights);
  TensorData& up = files.tensors.at("model.layers.0.mlp.up_proj.weight");
  up = {"F16", {1, 4}, {0x00, 0x38, 0x00, 0xba, 0x80, 0x40, 0x00, 0xb8}};  // the same in f16
  TensorData& down = files.tensors.at("model.layers.0.mlp.down_proj.weight");
  std::fill(down.bytes.begin(), down.bytes.end(), 0);
  const auto model = load(files);
  ASSERT_TRUE(model.ok()) << model.status().message();
  for (size_t i : {4u, 5u}) {
    const auto matrix = model->graph.ternary[i].load();
    ASSERT_TRUE(matrix.ok()) << matrix.status().message();
    EXPECT_EQ(matrix->trits, (std::vector<int8_t>{0, -1, 1, 0})) << i;
    EXPECT_EQ(matrix->scales.values[0], 1.0f);
  }
  const auto zero = model->graph.ternary[6].load();
  ASSERT_TRUE(zero.ok()) << zero.status().message();
  EXPECT_EQ(zero->trits, (std::vector<int8_t>(4, 0)));
  EXPECT_EQ(std::bit_cast<uint32_t>(zero->scales.values[0]), 0x37280000u)
      << "bf16 nearest to the floor 1e-5";
}

TEST(LoadModel, WidensNormsExactly) {
  ModelFiles files = make_packed_model(
      {.hidden = 4, .intermediate = 4, .q_heads = 1, .kv_heads = 1, .head_dim = 4}, 7);
  // f16: smallest subnormal, largest finite, -1, smallest normal
  files.tensors["model.norm.weight"] = {
      "F16", {4}, {0x01, 0x00, 0xff, 0x7b, 0x00, 0xbc, 0x00, 0x04}};
  const auto model = load(files);
  ASSERT_TRUE(model.ok()) << model.status().message();
  EXPECT_EQ(model->graph.vectors.back().values,
            (std::vector<float>{0x1p-24f, 65504.0f, -1.0f, 0x1p-14f}));
}

TEST(LoadModel, CopiesTablesThatLieUnaligned) {
  ModelFiles files = make_packed_model({}, 8);
  files.tensors["a"] = {"U8", {1}, {0}};  // first by name: shifts everything by one byte
  const auto model = load(files);
  ASSERT_TRUE(model.ok()) << model.status().message();
  const FloatTable& table = model->graph.tables[0];
  EXPECT_EQ(reinterpret_cast<uintptr_t>(table.bytes.data()) % 2, 0u);
  const auto& expected = files.tensors.at("model.embed_tokens.weight").bytes;
  EXPECT_TRUE(std::equal(table.bytes.begin(), table.bytes.end(), expected.begin(), expected.end()));
  EXPECT_TRUE(mentions(model->report.notes, "not part of this model and not used: 1 tensor (a)"));
}

TEST(LoadModel, ReadsAnUntiedHead) {
  const auto model = load(make_packed_model({.tied_head = false}, 9));
  ASSERT_TRUE(model.ok()) << model.status().message();
  ASSERT_EQ(model->graph.tables.size(), 2u);
  EXPECT_EQ(model->graph.tables[1].name, "lm_head.weight");
  EXPECT_EQ(model->graph.nodes.back().weight, 1);

  ModelFiles headless = make_packed_model({}, 9);
  headless.config.erase("tie_word_embeddings");
  expect_error(load(headless), StatusCode::kNotFound, {"tie_word_embeddings", "lm_head.weight"});
}

TEST(LoadModel, ReadsShards) {
  TempFolder folder;
  const ModelFiles files = make_packed_model({}, 10);
  write_model(files, folder.path(), 4);
  const auto sharded = load_model(folder.path().string());
  ASSERT_TRUE(sharded.ok()) << sharded.status().message();
  const auto single = load(files);
  ASSERT_TRUE(single.ok()) << single.status().message();
  expect_same_ternary(sharded->graph, single->graph);
  EXPECT_EQ(sharded->graph.sources.size(), 4u + 1 + 4);
}

TEST(LoadModel, WeightsOutliveTheLoadedModel) {
  TernarySource source;
  {
    const auto model = load(make_packed_model({}, 11));
    ASSERT_TRUE(model.ok()) << model.status().message();
    source = model->graph.ternary[0];
  }
  EXPECT_TRUE(source.load().ok());
}

TEST(LoadModel, ReadsScalesByTheirLinearClass) {
  ModelFiles files = make_packed_model({}, 12);
  const std::string name = "model.layers.0.self_attn.q_proj.weight_scale";
  files.tensors[name] = bf16_scalar(0x4040);  // 3
  EXPECT_EQ(load(files)->graph.ternary[0].load()->scales.values[0], 3.0f);
  files.config["quantization_config"]["linear_class"] = "bitlinear";
  EXPECT_EQ(load(files)->graph.ternary[0].load()->scales.values[0], 1.0f / 3.0f);
  files.config["quantization_config"].erase("linear_class");
  EXPECT_EQ(load(files)->graph.ternary[0].load()->scales.values[0], 1.0f / 3.0f);
  EXPECT_TRUE(mentions(load(files)->report.notes, "inverted"));
  files.tensors[name] = {"F32", {}, {0, 0, 0, 0x40}};  // 2, as a scalar
  EXPECT_EQ(load(files)->graph.ternary[0].load()->scales.values[0], 0.5f);
}

TEST(LoadModel, RefusesBadScales) {
  const std::string name = "model.layers.1.mlp.up_proj.weight_scale";
  const auto with = [&](TensorData scale) {
    ModelFiles files = make_packed_model({}, 13);
    files.tensors[name] = std::move(scale);
    return load(files);
  };
  expect_error(with(bf16_scalar(0x7fc0)), StatusCode::kDataCorrupt, {name, "nan", "positive"});
  expect_error(with(bf16_scalar(0x7f80)), StatusCode::kDataCorrupt, {name, "inf", "positive"});
  expect_error(with(bf16_scalar(0x0000)), StatusCode::kDataCorrupt, {name, "is 0", "positive"});
  expect_error(with(bf16_scalar(0xbf80)), StatusCode::kDataCorrupt, {name, "-1", "positive"});
  expect_error(with({"BF16", {2}, {0, 0, 0, 0}}), StatusCode::kDataCorrupt, {name, "[2]", "[1]"});
  expect_error(with({"U8", {1}, {1}}), StatusCode::kDataCorrupt, {name, "U8", "BF16"});
  ModelFiles inverted = make_packed_model({}, 13);
  inverted.config["quantization_config"]["linear_class"] = "bitlinear";
  inverted.tensors[name] = bf16_scalar(0x0001);
  expect_error(load(inverted), StatusCode::kDataCorrupt, {name, "finite reciprocal"});
}

TEST(LoadModel, RefusesCodeThreeNamingRowAndColumn) {
  ModelFiles files = make_packed_model({}, 14);
  const std::string name = "model.layers.0.self_attn.o_proj.weight";
  TensorData& tensor = files.tensors.at(name);  // [16, 64] for 64 rows
  tensor.bytes[5 * 64 + 7] |= 0b11'00'00;       // field 2: row 2 * 16 + 5
  const auto model = load(files);
  ASSERT_TRUE(model.ok()) << model.status().message();
  expect_error(model->graph.ternary[3].load(), StatusCode::kDataCorrupt,
               {"model.safetensors", name, "row 37, column 7", "code 3"});
}

TEST(LoadModel, RefusesNonFiniteWeightsNamingTheElement) {
  ModelFiles files = make_master_model({}, 15);
  const std::string name = "model.layers.1.mlp.gate_proj.weight";
  TensorData& gate = files.tensors.at(name);  // [96, 64]
  gate.bytes[2 * (90 * 64 + 3)] = 0xc0;
  gate.bytes[2 * (90 * 64 + 3) + 1] = 0x7f;
  const auto model = load(files);
  ASSERT_TRUE(model.ok()) << model.status().message();
  expect_error(model->graph.ternary[11].load(), StatusCode::kDataCorrupt,
               {name, "element [90, 3]", "nan"});

  for (const char* eager : {"model.norm.weight", "model.embed_tokens.weight"}) {
    ModelFiles bad = make_packed_model({}, 15);
    TensorData& tensor = bad.tensors.at(eager);
    tensor.bytes[2] = 0x80;
    tensor.bytes[3] = 0xff;
    expect_error(load(bad), StatusCode::kDataCorrupt, {eager, "-inf"});
  }
}

TEST(LoadModel, RefusesEveryMissingTensor) {
  const ModelShape shape{.layers = 1, .tied_head = false};
  const ModelFiles whole = make_packed_model(shape, 16);
  for (const auto& [name, tensor] : whole.tensors) {
    ModelFiles files = whole;
    files.tensors.erase(name);
    expect_error(load(files), StatusCode::kNotFound, {"tensor " + name + " is missing"});
  }
}

TEST(LoadModel, RefusesEveryWrongShape) {
  const ModelShape shape{.layers = 1, .tied_head = false};
  const ModelFiles whole = make_packed_model(shape, 17);
  for (const auto& [name, tensor] : whole.tensors) {
    ModelFiles files = whole;
    TensorData& wrong = files.tensors[name];
    wrong.shape.push_back(1);
    expect_error(load(files), StatusCode::kDataCorrupt,
                 {"tensor " + name, "shape is [", ", 1], expected"});
  }
}

TEST(LoadModel, RefusesWrongDtypes) {
  ModelFiles packed = make_packed_model({}, 18);
  packed.tensors.at("model.layers.0.mlp.up_proj.weight").dtype = "I8";
  expect_error(load(packed), StatusCode::kDataCorrupt, {"mlp.up_proj.weight", "I8", "U8"});

  ModelFiles norm = make_packed_model({}, 18);
  norm.tensors.at("model.norm.weight").dtype = "I16";
  expect_error(load(norm), StatusCode::kDataCorrupt, {"model.norm.weight", "I16", "BF16"});

  ModelFiles masters = make_master_model({}, 18);
  masters.tensors.at("model.layers.0.mlp.up_proj.weight").dtype = "U16";
  expect_error(load(masters), StatusCode::kDataCorrupt,
               {"mlp.up_proj.weight", "U16", "float masters"});

  ModelFiles mislabelled = make_packed_model({}, 18);
  mislabelled.config["quantization_config"]["quantization_mode"] = "online";
  expect_error(load(mislabelled), StatusCode::kDataCorrupt,
               {"model.safetensors", "q_proj.weight", "U8", "quantization_mode is online"});
  mislabelled.config.erase("quantization_config");
  expect_error(load(mislabelled), StatusCode::kDataCorrupt, {"U8", "no quantization_config"});
}

TEST(LoadModel, NotesLeftOverTensorsOnce) {
  ModelFiles files = make_packed_model({}, 19);
  for (int i = 0; i < 30; ++i) files.tensors["extra." + std::to_string(100 + i)] = {"U8", {1}, {0}};
  const auto model = load(files);
  ASSERT_TRUE(model.ok()) << model.status().message();
  EXPECT_EQ(model->report.notes,
            (std::vector<std::string>{"not part of this model and not used: 30 tensors (extra.100, "
                                      "extra.101, extra.102, ...)"}));
}

// A type that this build does not know matters only where the tensor is used.
TEST(LoadModel, RefusesUnknownTypesOnlyWhereTheyAreUsed) {
  ModelFiles files = make_packed_model({}, 24);
  files.tensors["extra"] = {"F4_NEW", {8}, {1, 2, 3, 4}};
  const auto model = load(files);
  ASSERT_TRUE(model.ok()) << model.status().message();
  EXPECT_TRUE(mentions(model->report.notes, "not used: 1 tensor (extra)"));
  files.tensors.at("model.norm.weight").dtype = "F4_NEW";
  expect_error(load(files), StatusCode::kDataCorrupt,
               {"tensor model.norm.weight", "dtype is F4_NEW", "BF16"});
}

// The first layers of another model are no model.
TEST(LoadModel, RefusesMoreLayersThanTheConfigurationSays) {
  ModelFiles files = make_packed_model({.layers = 3}, 25);
  files.config["num_hidden_layers"] = 2;
  expect_error(load(files), StatusCode::kDataCorrupt,
               {"config.json", "num_hidden_layers is 2", "layer 2", "expected 3"});
  ModelFiles others = make_packed_model({.layers = 2}, 25);
  for (const char* name : {"model.layers", "model.layers.x.w", "model.layers.-1.w",
                           "model.layers.2", "model.layers.99999999999999999999.w"})
    others.tensors[name] = {"U8", {1}, {0}};
  const auto model = load(others);
  ASSERT_TRUE(model.ok()) << model.status().message();
  EXPECT_TRUE(mentions(model->report.notes, "not used: 5 tensors"));
}

// An ordinary Qwen3, whose projections are ternary with a scale for every 128 columns of a row:
// refused before its tokenizer is looked at, and outlined.
TEST(LoadModel, RefusesAndOutlinesTernaryModelsWithGroupScales) {
  ModelFiles files = make_master_model({.hidden = 256, .layers = 1}, 9);
  files.config.update(
      {{"model_type", "qwen3"}, {"architectures", {"Qwen3ForCausalLM"}}, {"hidden_act", "silu"}});
  files.config.erase("quantization_config");
  files.tokenizer_json = "{}";
  TensorData& q = files.tensors.at("model.layers.0.self_attn.q_proj.weight");
  const auto fill = [&](size_t group) {  // bf16 of 2^-n, n by group; its negative; zero
    for (size_t i = 0; i < q.bytes.size() / 2; ++i) {
      const size_t n = 110 + i / group % 10;
      const size_t bits = i % 3 == 0 ? 0 : (n << 7) | (i % 3 == 1 ? 0x8000 : 0);
      q.bytes[2 * i] = static_cast<uint8_t>(bits);
      q.bytes[2 * i + 1] = static_cast<uint8_t>(bits >> 8);
    }
  };
  const auto outlined = [&] {
    const TempFolder folder;
    write_model(files, folder.path());
    const auto loaded = load_model(folder.path().string());
    EXPECT_EQ(loaded.status().code(), StatusCode::kUnsupported);
    EXPECT_NE(loaded.status().message().find("is a Qwen3 language model"), std::string::npos)
        << loaded.status().message();
    const auto outline = outline_model(folder.path().string());
    EXPECT_TRUE(outline.ok()) << outline.status().message();
    EXPECT_EQ(outline->config.hidden_size, 256);
    EXPECT_EQ(outline->config.output, ModelOutput::kLogits);
    EXPECT_GT(outline->weight_bytes, q.bytes.size());
    return outline->weights;
  };
  fill(128);
  EXPECT_EQ(outlined(), "BF16, ternary with a scale per 128 columns of a row, float activations");
  fill(64);
  EXPECT_EQ(outlined(), "BF16, ternary with a scale per 64 columns of a row, float activations");
  fill(32);
  EXPECT_EQ(outlined(), "BF16, float");
}

TEST(LoadModel, OutlinesWhatItCanLoad) {
  const TempFolder folder;
  write_model(make_packed_model({}, 1), folder.path() / "packed");
  write_model(make_master_model({}, 1), folder.path() / "masters");
  EXPECT_EQ(outline_model(folder.file("packed"))->weights, "ternary, packed, one scale per matrix");
  EXPECT_EQ(outline_model(folder.file("masters"))->weights,
            "float masters, to become ternary with one scale per matrix");
  expect_error(outline_model(folder.file("none")), StatusCode::kNotFound,
               {"no such file or folder"});
}

TEST(LoadModel, RefusesFoldersThatAreNotModels) {
  TempFolder folder;
  expect_error(load_model(folder.file("absent")), StatusCode::kNotFound,
               {folder.file("absent"), "no such"});
  EXPECT_FALSE(is_model_folder(folder.file("absent")));
  EXPECT_FALSE(is_model_folder(folder.path().string()));
  expect_error(load_model(folder.path().string()), StatusCode::kNotFound, {"config.json"});
  write_file(folder.path() / "file", "x");
  expect_error(load_model(folder.file("file")), StatusCode::kUnsupported, {"file", "not a folder"});
}

TEST(LoadModel, RefusesMissingOrEmptyTokenizer) {
  ModelFiles files = make_packed_model({}, 20);
  files.tokenizer_json = "";
  expect_error(load(files), StatusCode::kNotFound, {"tokenizer.json", "needs its tokenizer"});
  TempFolder folder;
  write_model(make_packed_model({}, 20), folder.path());
  write_file(folder.path() / "tokenizer.json", "");
  expect_error(load_model(folder.path().string()), StatusCode::kDataCorrupt,
               {"tokenizer.json", "empty"});
}

// Found when the folder is loaded, before anything is compiled.
TEST(LoadModel, RefusesBrokenTokenizers) {
  ModelFiles files = make_packed_model({}, 26);
  const std::string valid = files.tokenizer_json;
  const auto with = [&](const std::string& text) {
    files.tokenizer_json = text;
    return load(files);
  };
  expect_error(with(valid.substr(0, valid.size() / 2)), StatusCode::kDataCorrupt,
               {"/tokenizer.json", "not valid JSON"});
  expect_error(with(valid + std::string("\0{", 2)), StatusCode::kDataCorrupt,
               {"/tokenizer.json", "NUL byte"});
  expect_error(with("version https://git-lfs.github.com/spec/v1\noid sha256:4\nsize 92851\n"),
               StatusCode::kDataCorrupt, {"/tokenizer.json", "Git LFS pointer"});
  expect_error(with("<html>"), StatusCode::kDataCorrupt, {"/tokenizer.json", "web page"});
  expect_error(with("{}"), StatusCode::kDataCorrupt, {"/tokenizer.json", "model is missing"});
  nlohmann::json unknown = nlohmann::json::parse(valid);
  unknown["model"]["type"] = "WordPiece";
  expect_error(with(unknown.dump()), StatusCode::kUnsupported,
               {"/tokenizer.json", "model.type = \"WordPiece\"", "BPE"});
}

// As in transformers, what a file says about cutting and filling up texts is not applied.
TEST(LoadModel, NotesWhatATokenizerSaysInVain) {
  ModelFiles files = make_packed_model({}, 27);
  nlohmann::json tokenizer = nlohmann::json::parse(files.tokenizer_json);
  tokenizer["truncation"] = {{"direction", "Right"}, {"max_length", 512}, {"stride", 0}};
  tokenizer["padding"] = {{"strategy", "BatchLongest"}, {"pad_id", 0}};
  tokenizer["added_tokens"].push_back(tokenizer["added_tokens"][0]);
  tokenizer["added_tokens"][2].update({{"id", 1000}, {"content", "<|extra|>"}});
  files.tokenizer_json = tokenizer.dump();
  const auto model = load(files);
  ASSERT_TRUE(model.ok()) << model.status().message();
  const std::vector<std::string>& notes = model->report.notes;
  EXPECT_EQ(notes.size(), 3u);
  EXPECT_TRUE(mentions(notes, "/tokenizer.json: truncation is not applied (max_length = 512)"));
  EXPECT_TRUE(mentions(notes, "/tokenizer.json: padding is not applied"));
  EXPECT_TRUE(mentions(notes, "/tokenizer.json: has ids up to 1000, but vocab_size is 320"));
}

TEST(LoadModel, RefusesTruncatedWeights) {
  TempFolder folder;
  write_model(make_packed_model({}, 21), folder.path());
  const std::string whole = read_file(folder.path() / "model.safetensors");
  for (size_t length :
       {size_t{0}, size_t{4}, size_t{8}, size_t{200}, whole.size() / 2, whole.size() - 1}) {
    write_file(folder.path() / "model.safetensors", whole.substr(0, length));
    expect_error(load_model(folder.path().string()), StatusCode::kDataCorrupt,
                 {"model.safetensors"});
  }
}

TEST(LoadModel, ReadsChatTemplates) {
  ModelFiles files = make_packed_model({}, 22);
  files.tokenizer_config["chat_template"] = "{{ x }}";
  EXPECT_EQ(load(files)->graph.chat_template, "{{ x }}");

  TempFolder folder;
  write_model(files, folder.path());
  write_file(folder.path() / "chat_template.jinja", "{{ y }}");
  EXPECT_EQ(load_model(folder.path().string())->graph.chat_template, "{{ y }}");

  files.tokenizer_config["chat_template"] = nlohmann::json::array({"a"});
  const auto listed = load(files);
  ASSERT_TRUE(listed.ok()) << listed.status().message();
  EXPECT_EQ(listed->graph.chat_template, "");
  EXPECT_TRUE(mentions(listed->report.notes, "chat_template"));

  files.tokenizer_config["chat_template"] = {{{"name", "tool_use"}, {"template", "{{ t }}"}},
                                             {{"name", "default"}, {"template", "{{ d }}"}}};
  const auto named = load(files);
  ASSERT_TRUE(named.ok()) << named.status().message();
  EXPECT_EQ(named->graph.chat_template, "{{ d }}");
  EXPECT_TRUE(mentions(named->report.notes, "tool_use"));

  files.tokenizer_config["chat_template"] = "{% if %}";
  const auto broken = load(files);
  ASSERT_TRUE(broken.ok()) << broken.status().message();
  EXPECT_TRUE(mentions(broken->report.notes, "chat_template:1:7: expected an expression"));

  files.tokenizer_config = nullptr;
  EXPECT_TRUE(load(files).ok());
}

// "<s>" or {"content": "<s>"}; the end of text that is named there is one to stop at.
TEST(LoadModel, ReadsSpecialTokens) {
  ModelFiles files = make_master_model({.vocab = 320}, 1);
  files.tokenizer_config["bos_token"] = {{"content", "<|begin_of_text|>"}, {"lstrip", false}};
  files.tokenizer_config["eos_token"] = "<|begin_of_text|>";
  files.tokenizer_config["pad_token"] = nullptr;
  const auto loaded = load(files);
  ASSERT_TRUE(loaded.ok()) << loaded.status().message();
  const std::map<std::string, std::string> expected = {{"bos_token", "<|begin_of_text|>"},
                                                       {"eos_token", "<|begin_of_text|>"}};
  EXPECT_EQ(loaded->graph.special_tokens, expected);
  EXPECT_EQ(loaded->graph.generation.stop_ids.back(), 318);

  files.tokenizer_config["unk_token"] = 7;
  const auto wrong = load(files);
  ASSERT_FALSE(wrong.ok());
  EXPECT_NE(wrong.status().message().find("unk_token is 7, expected a text"), std::string::npos)
      << wrong.status().message();
}

// Flips and cuts bytes of every file of a small folder: loading, and fetching what still loads,
// must not crash.
TEST(LoadModel, SurvivesRandomDamage) {
  TempFolder folder;
  const ModelShape shape{.vocab = 8,
                         .hidden = 8,
                         .intermediate = 8,
                         .layers = 1,
                         .q_heads = 2,
                         .kv_heads = 1,
                         .head_dim = 4};
  const ModelFiles files = make_packed_model(shape, 23);
  write_model(files, folder.path());
  const char* names[] = {"config.json", "generation_config.json", "tokenizer_config.json",
                         "tokenizer.json", "model.safetensors"};
  std::mt19937 random(7);
  int loaded = 0, refused = 0;
  for (int round = 0; round < 2000; ++round) {
    const auto path = folder.path() / names[random() % std::size(names)];
    const std::string whole = read_file(path);
    std::string damaged = whole;
    for (uint32_t flips = 1 + random() % 3; flips > 0; --flips)
      damaged[random() % damaged.size()] = static_cast<char>(random());
    if (random() % 4 == 0) damaged.resize(random() % damaged.size());
    write_file(path, damaged);
    const auto model = load_model(folder.path().string());
    if (model.ok()) {
      ++loaded;
      EXPECT_TRUE(validate(model->graph).ok());
      for (const TernarySource& source : model->graph.ternary) {
        const auto matrix = source.load();
        if (!matrix.ok()) {
          EXPECT_FALSE(matrix.status().message().empty());
        }
      }
    } else {
      ++refused;
      EXPECT_NE(model.status().message().find(folder.path().string()), std::string::npos)
          << model.status().message();
    }
    write_file(path, whole);
  }
  EXPECT_GT(loaded, 0);
  EXPECT_GT(refused, 0);
}

}  // namespace
}  // namespace bitnetc::test
