// Models written as GGUF files and Hugging Face folders, and read again: trits and scales survive
// bit for bit whatever the type, and what a format cannot say is said.
#include <gtest/gtest.h>

#include <algorithm>
#include <cmath>
#include <filesystem>
#include <random>

#include "frontend/export.h"
#include "frontend/gguf/gguf_file.h"
#include "frontend/gguf/gguf_weight_source.h"
#include "frontend/gguf/tensor_types/decoders.h"
#include "frontend/gguf/tensor_types/encoders.h"
#include "frontend/load.h"
#include "frontend/tokenizer.h"
#include "runtime/math.h"
#include "tests/support/expect_error.h"
#include "tests/support/gguf_builder.h"
#include "tests/support/graph_expectations.h"
#include "tests/support/reference_model.h"

namespace bitnetc::test {
namespace {

constexpr TernaryFormat kTernaryFormats[] = {TernaryFormat::kI2S, TernaryFormat::kTq1_0,
                                             TernaryFormat::kTq2_0, TernaryFormat::kF16,
                                             TernaryFormat::kBf16};

class GgufExport : public testing::Test {
 protected:
  LoadedModel load_files(const ModelFiles& files) {
    write_model(files, folder_.path() / "source");
    return load(folder_.file("source"));
  }
  static LoadedModel load(const std::string& path) {
    auto loaded = load_model(path);
    if (!loaded.ok()) throw std::runtime_error(loaded.status().message());
    return *std::move(loaded);
  }
  // Writes "out.gguf" and reads it.
  LoadedModel round_trip(const Graph& graph, const GgufExportOptions& options) {
    auto report = export_gguf(graph, path_, options);
    if (!report.ok()) throw std::runtime_error(report.status().message());
    report_ = *std::move(report);
    EXPECT_EQ(static_cast<uintmax_t>(report_.file_bytes), std::filesystem::file_size(path_));
    return load(path_);
  }
  bool noted(const std::string& part) const {
    return std::ranges::any_of(report_.notes, [&](const std::string& note) {
      return note.find(part) != std::string::npos;
    });
  }

  TempFolder folder_;
  std::string path_ = folder_.file("out.gguf");
  ExportReport report_;
};

TEST_F(GgufExport, KeepsEveryBitInEveryType) {
  ModelShape shape = kGgufShape;
  shape.tied_head = false;
  shape.hidden = 256;
  shape.q_heads = 8;
  const LoadedModel model = load_files(make_packed_model(shape, 61));
  for (const TernaryFormat format : kTernaryFormats) {
    const LoadedModel again = round_trip(model.graph, {.ternary = format});
    expect_same_graph(model.graph, again.graph);
    EXPECT_EQ(again.graph.tokenizer_json, model.graph.tokenizer_json);
    EXPECT_EQ(again.graph.generation.bos_id, model.graph.generation.bos_id);
    EXPECT_EQ(again.graph.generation.stop_ids, model.graph.generation.stop_ids);
    EXPECT_EQ(again.graph.config.rope_theta, model.graph.config.rope_theta);
    EXPECT_FALSE(noted("scales"));
    EXPECT_FALSE(noted("matrices"));
  }
}

// 0.3 has no fp16, and its matrices no blocks of 256 columns.
TEST_F(GgufExport, KeepsLinearRopeScaling) {
  LoadedModel model = load_files(make_packed_model(kGgufShape, 69));
  model.graph.config.rope_scaling = {.kind = RopeScaling::Kind::kLinear, .factor = 2.5};
  EXPECT_EQ(round_trip(model.graph, {}).graph.config.rope_scaling, model.graph.config.rope_scaling);
}

TEST_F(GgufExport, KeepsScalesThatTheTypeRounds) {
  GgufBuilder source = make_gguf_model(kGgufShape, make_packed_model(kGgufShape, 62));
  for (GgufBuilder::Tensor& tensor : source.tensors)
    if (tensor.type == 36) tensor.bytes.replace(tensor.bytes.size() - 32, 4, f32_bytes({0.3f}));
  write_file(folder_.path() / "source.gguf", source.bytes());
  const LoadedModel model = load(folder_.file("source.gguf"));
  for (const TernaryFormat format : kTernaryFormats) {
    expect_same_graph(model.graph, round_trip(model.graph, {.ternary = format}).graph);
    const bool is_plain = format == TernaryFormat::kI2S;
    EXPECT_EQ(noted("14 of 14 scales do not fit type"), !is_plain);
    const auto file = GgufFile::open(path_);
    ASSERT_TRUE(file.ok());
    const auto scales = std::ranges::count_if(
        file->tensors(), [](const GgufTensor& tensor) { return tensor.name.ends_with(".scale"); });
    EXPECT_EQ(scales, is_plain ? 0 : 14);
  }
}

// The scale of a matrix of zeros changes no value, but it is the model's.
TEST_F(GgufExport, KeepsScalesOfZeros) {
  for (const float scale : {0.5f, 0.3f}) {
    ModelShape shape = kGgufShape;
    shape.hidden = 256;
    shape.q_heads = 8;
    GgufBuilder source = make_gguf_model(shape, make_packed_model(shape, 72));
    GgufBuilder::Tensor& zeros = source.tensor("blk.1.ffn_up.weight");
    zeros.bytes = pack_i2_s(std::vector<int8_t>(256 * 256), scale);
    write_file(folder_.path() / "source.gguf", source.bytes());
    const LoadedModel model = load(folder_.file("source.gguf"));
    for (const TernaryFormat format : kTernaryFormats)
      expect_same_graph(model.graph, round_trip(model.graph, {.ternary = format}).graph);
  }
}

TEST_F(GgufExport, WritesOddMatricesAsF16) {
  const LoadedModel model = load_files(make_packed_model({}, 63));  // rows of 64 and 96
  expect_same_graph(model.graph, round_trip(model.graph, {}).graph);
  EXPECT_TRUE(noted("14 of 14 matrices have rows that I2_S cannot cut into whole blocks"));
}

TEST_F(GgufExport, SaysWhatOtherProgramsReadToo) {
  write_file(folder_.path() / "source.gguf",
             make_gguf_model(kGgufShape, make_packed_model(kGgufShape, 64)).bytes());
  LoadedModel model = load(folder_.file("source.gguf"));
  model.graph.chat_template = "{{ messages }}";
  round_trip(model.graph, {.ternary = TernaryFormat::kTq2_0});
  const auto file = GgufFile::open(path_);
  ASSERT_TRUE(file.ok()) << file.status().message();
  const auto text = [&](const char* key) { return file->find_value(key)->text().value(); };
  const auto integer = [&](const char* key) { return file->find_value(key)->integer().value(); };
  EXPECT_EQ(text("general.architecture"), "bitnet-b1.58");
  EXPECT_EQ(text("bitnet-b1.58.hidden_activation"), "relu2");
  EXPECT_EQ(integer("general.file_type"), 37);
  EXPECT_EQ(integer("bitnet-b1.58.attention.key_length"), 32);
  EXPECT_EQ(text("tokenizer.ggml.model"), "gpt2");
  EXPECT_EQ(text("tokenizer.ggml.pre"), "llama-bpe");
  EXPECT_EQ(text("tokenizer.chat_template"), "{{ messages }}");
  EXPECT_EQ(integer("tokenizer.ggml.bos_token_id"), 298);
  EXPECT_EQ(integer("tokenizer.ggml.eos_token_id"), 299);
  EXPECT_EQ(file->find_value("tokenizer.ggml.add_bos_token")->boolean(), true);
  const auto tokens = file->find_value("tokenizer.ggml.tokens")->texts().value();
  const auto types = file->find_value("tokenizer.ggml.token_type")->integers().value();
  ASSERT_EQ(tokens.size(), 300u);
  EXPECT_EQ(tokens[0], "\u0100") << "the byte 0";
  EXPECT_EQ(tokens[299], "<|end_of_text|>");
  EXPECT_EQ(types[0], 1);
  EXPECT_EQ(types[299], 3);
  EXPECT_FALSE(noted("has no name"));
}

std::vector<int32_t> ids_of(const Graph& graph, const std::string& text) {
  const auto tokenizer = Tokenizer::from_json(graph.tokenizer_json, "t");
  if (!tokenizer.ok()) throw std::runtime_error(tokenizer.status().message());
  return (*tokenizer)->encode(text).value();
}

// What other programs read says the same as the whole tokenizer: merges of both kinds.
TEST_F(GgufExport, TokensWithoutTheWholeTokenizerGiveTheSameIds) {
  const std::string mark = "\u2581";
  for (const bool is_byte_level : {true, false}) {
    GgufBuilder source = make_gguf_model(kGgufShape, make_packed_model(kGgufShape, 73));
    std::vector<std::string> tokens = {"<unk>", "<s>", "</s>", "a",        "b",  "c",
                                       mark,    "ab",  "bc",   mark + "a", "abc"};
    std::vector<int32_t> types = {2, 3, 3, 1, 1, 1, 1, 1, 1, 1, 1};
    if (is_byte_level) std::ranges::replace(tokens, mark + "a", std::string("\u0120a"));
    if (is_byte_level) std::ranges::replace(tokens, mark, std::string("\u0120"));
    for (const char* key :
         {"model", "tokens", "token_type", "merges", "bos_token_id", "eos_token_id"})
      source.remove(std::string("tokenizer.ggml.") + key);
    source.add_text("tokenizer.ggml.model", is_byte_level ? "gpt2" : "llama");
    source.add_texts("tokenizer.ggml.tokens", tokens);
    source.add_i32s("tokenizer.ggml.token_type", types);
    source.add_texts("tokenizer.ggml.merges", {"a b", "b c", tokens[6] + " a", "ab c"});
    const std::vector<float> scores = {0, 0, 0, -20, -21, -22, -23, -1, -2, -3, -4};
    source.values.push_back({"tokenizer.ggml.scores", 9,
                             le_bytes(6, 4) + le_bytes(scores.size(), 8) + f32_bytes(scores)});
    source.add_u32("tokenizer.ggml.bos_token_id", 1);
    source.add_u32("tokenizer.ggml.eos_token_id", 2);
    source.add_u32("tokenizer.ggml.unknown_token_id", 0);
    write_file(folder_.path() / "source.gguf", source.bytes());
    const LoadedModel model = load(folder_.file("source.gguf"));
    round_trip(model.graph, {});
    std::string bytes = read_file(path_);
    bytes.replace(bytes.find("tokenizer.huggingface.json"), 9, "somewhere");
    write_file(path_, bytes);
    const LoadedModel again = load(path_);
    EXPECT_NE(again.graph.tokenizer_json, model.graph.tokenizer_json) << "padded to every row";
    for (const std::string text : {"", "abc", "cab a</s>abcbc", "aa bb cc", "bca"})
      EXPECT_EQ(ids_of(again.graph, text), ids_of(model.graph, text)) << text;
  }
}

TEST_F(GgufExport, NotesWhatTheFormatCannotSay) {
  LoadedModel model = load_files(make_packed_model(kGgufShape, 65));
  model.graph.generation.temperature = 0.6;
  model.graph.generation.stop_ids = {1, 2, 3, 4};
  round_trip(model.graph, {});
  EXPECT_TRUE(noted("the way the tokenizer splits text has no name"));
  EXPECT_TRUE(noted("temperature"));
  EXPECT_TRUE(noted("1 of 4 are left out"));
}

TEST_F(GgufExport, RoundsTablesAsAsked) {
  ModelShape shape = kGgufShape;
  shape.hidden = 256;
  const LoadedModel model = load_files(make_packed_model(shape, 66));
  const FloatTable& table = model.graph.tables[0];
  std::vector<float> exact(static_cast<size_t>(table.rows * table.columns));
  math::widen(table.type, table.bytes.data(), std::ssize(exact), exact.data());
  const std::pair<TableFormat, float> formats[] = {
      {TableFormat::kF16, 1e-6f}, {TableFormat::kQ8_0, 0.005f}, {TableFormat::kQ6K, 0.04f}};
  for (const auto& [format, most] : formats) {
    const LoadedModel again = round_trip(model.graph, {.tables = format});
    const FloatTable& read = again.graph.tables[0];
    std::vector<float> rounded(exact.size());
    math::widen(read.type, read.bytes.data(), std::ssize(rounded), rounded.data());
    float worst = 0;
    for (size_t i = 0; i < exact.size(); ++i)
      worst = std::max(worst, std::fabs(exact[i] - rounded[i]));
    EXPECT_LE(worst, most);  // values from -1 to 1
  }
  const LoadedModel odd = load_files(make_packed_model({}, 67));
  expect_error(export_gguf(odd.graph, path_, {.tables = TableFormat::kQ6K}),
               StatusCode::kUnsupported, {path_, "64 columns are no multiple of 256"});
}

TEST_F(GgufExport, RefusesWhatItCannotWrite) {
  LoadedModel model = load_files(make_packed_model(kGgufShape, 68));
  std::filesystem::remove(path_);
  const auto refuse = [&](const Graph& graph, std::initializer_list<std::string> named) {
    expect_error(export_gguf(graph, path_, {}), StatusCode::kUnsupported, {path_});
    expect_error(export_gguf(graph, path_, {.ternary = TernaryFormat::kF16}),
                 StatusCode::kUnsupported, named);
    EXPECT_FALSE(std::filesystem::exists(path_));
  };
  Graph graph = model.graph;
  graph.config.family = "other";
  refuse(graph, {"family \"other\""});
  graph = model.graph;
  graph.config.vocab_size = 299;
  refuse(graph, {"ids up to 299, but vocab_size is 299"});
  graph = model.graph;
  graph.config.rope_theta = 500000.1;
  refuse(graph, {"rope.freq_base = 500000.1 is not an fp32 number"});
  graph = model.graph;
  graph.config.rope_scaling = {.kind = RopeScaling::Kind::kYarn, .factor = 4};
  refuse(graph, {"RoPE scaling (yarn, factor 4", "rope.scaling.attn_factor"});
  graph.config.rope_scaling.truncate = false;
  refuse(graph, {"RoPE scaling (yarn, factor 4", "truncate"});
  graph.config.rope_scaling = {.kind = RopeScaling::Kind::kLinear, .factor = 1.1};
  refuse(graph, {"rope.scaling.factor = 1.1 is not an fp32 number"});
  graph.config.rope_scaling = {.kind = RopeScaling::Kind::kLlama3,
                               .factor = 8,
                               .original_positions = 8192,
                               .low_freq_factor = 1,
                               .high_freq_factor = 2};
  refuse(graph, {"RoPE scaling (llama3, factor 8", "between 1 and 4 waves"});
  graph = model.graph;
  graph.config.layer_facts = {{.window = 8, .rope_theta = 500000}, {.rope_theta = 500000}};
  refuse(graph, {"a window of 8 positions cannot be written", "bitnet-b1.58"});
  graph = model.graph;
  graph.tables[0].name = "\x1b[2J";
  refuse(graph, {"\\x1b[2J: architecture \"bitnet-b1.58\" has no tensor for it"});
  graph = model.graph;
  graph.ternary[0].n += 16;
  expect_error(export_gguf(graph, path_, {}), StatusCode::kDataCorrupt,
               {"q_proj", "expected [144"});
  graph = model.graph;
  const auto load_plain = graph.ternary[3].load;
  graph.ternary[3].load = [load_plain] {
    auto matrix = load_plain();
    matrix->scales = {.kind = Scales::Kind::kRow,
                      .values = std::vector<float>(static_cast<size_t>(matrix->n), 0.5f)};
    return matrix;
  };
  refuse(graph, {"o_proj", "a scale per row"});
  expect_error(
      export_gguf(model.graph, path_,
                  {.progress = [](int done, int, const std::string&) { return done < 3; }}),
      StatusCode::kCancelled, {"nothing was written"});
  EXPECT_FALSE(std::filesystem::exists(path_));
}

TEST_F(GgufExport, FoldersHoldTheSameModel) {
  write_file(folder_.path() / "source.gguf",
             make_gguf_model(kGgufShape, make_packed_model(kGgufShape, 69)).bytes());
  LoadedModel model = load(folder_.file("source.gguf"));
  model.graph.chat_template = "{{ messages }}";
  model.graph.generation.temperature = 0.25;
  const std::string out = folder_.file("out");
  const auto report = export_hf_folder(model.graph, out, {});
  ASSERT_TRUE(report.ok()) << report.status().message();
  const LoadedModel again = load(out);
  expect_same_graph(model.graph, again.graph);
  EXPECT_EQ(again.graph.tokenizer_json, model.graph.tokenizer_json);
  EXPECT_EQ(again.graph.chat_template, model.graph.chat_template);
  EXPECT_EQ(again.graph.generation.temperature, 0.25);
  EXPECT_EQ(again.graph.config.norm_eps, model.graph.config.norm_eps);
  EXPECT_TRUE(again.report.ignored_keys.empty() ||
              again.report.ignored_keys[0].find("cannot change") != std::string::npos);
  expect_error(export_hf_folder(model.graph, out, {}), StatusCode::kInvalidArgument,
               {out, "expected a name that is free or an empty folder"});
}

// A Gemma 3 in a folder stores w of a norm that multiplies by 1 + w.
TEST_F(GgufExport, FoldersRefuseNormsThatTheyCannotHold) {
  LoadedModel model = load(reference_folder("embedding-gemma3") + "/model.gguf");
  model.graph.vectors[0].values[3] = 0.1f;  // of a finer grid than 1 + w has
  expect_error(export_hf_folder(model.graph, folder_.file("out"), {}), StatusCode::kUnsupported,
               {"model.layers.0.input_layernorm.weight: element 3 is 0.1", "1 + w"});
  EXPECT_FALSE(std::filesystem::exists(folder_.file("out")));
}

// The packers of the tests were written on their own.
TEST(GgufEncoders, WriteTheBytesOfTheFormats) {
  std::mt19937_64 random(70);
  std::vector<int8_t> trits(1024);
  for (int8_t& trit : trits) trit = static_cast<int8_t>(static_cast<int>(random() % 3) - 1);
  const auto bytes = [&](auto encode, size_t count) {
    std::string out(count, 'x');
    encode(trits, 0.5f, std::span(reinterpret_cast<uint8_t*>(out.data()), out.size()));
    return out;
  };
  EXPECT_EQ(bytes(gguf::encode_i2_s, 1024 / 4 + 32), pack_i2_s(trits, 0.5f));
  EXPECT_EQ(bytes(gguf::encode_tq1_0, 4 * 54), pack_tq1_0(trits, 0x3800));
  EXPECT_EQ(bytes(gguf::encode_tq2_0, 4 * 66), pack_tq2_0(trits, 0x3800));
}

// Blocks of zeros, of one value and of very different magnitudes.
TEST(GgufEncoders, QuantisedFloatsAreNear) {
  std::mt19937_64 random(71);
  std::vector<float> values(1024), read(1024);
  for (size_t i = 256; i < values.size(); ++i) {
    const float unit = static_cast<float>(random() >> 40) * 0x1p-24f - 0.5f;
    values[i] = i < 512 ? -0.75f : unit * (i / 32 % 2 == 0 ? 1.0f : 1e-3f);
  }
  std::vector<uint8_t> out(1024 / 32 * 34);
  gguf::encode_q8_0(values, out.data());
  gguf::widen_q8_0(out.data(), 1024, read.data());
  for (size_t i = 0; i < values.size(); ++i) {
    float largest = 0;
    for (size_t j = i / 32 * 32; j < i / 32 * 32 + 32; ++j)
      largest = std::max(largest, std::fabs(values[j]));
    // Half a step, and what a subnormal fp16 factor is off at the largest code.
    EXPECT_LE(std::fabs(values[i] - read[i]), largest / 127 * 0.55f + 127 * 0x1p-25f) << i;
  }
  out.assign(1024 / 256 * 210, 0xff);
  gguf::encode_q6_k(values, out.data());
  gguf::widen_q6_k(out.data(), 1024, read.data());
  for (size_t i = 0; i < values.size(); ++i) {
    float largest = 0, of_block = 0;
    for (size_t j = i / 16 * 16; j < i / 16 * 16 + 16; ++j)
      largest = std::max(largest, std::fabs(values[j]));
    for (size_t j = i / 256 * 256; j < i / 256 * 256 + 256; ++j)
      of_block = std::max(of_block, std::fabs(values[j]));
    // Half a step, the end of the codes on the other side, and the factor's own rounding.
    EXPECT_LE(std::fabs(values[i] - read[i]), largest / 32 * 1.05f + of_block / 128 * 0.6f) << i;
  }
}

TEST(GgufEncoders, RotatingRowsIsUndone) {
  TernaryMatrix matrix{.n = 24, .k = 2, .trits = {}, .scales = Scales::of_tensor(1)};
  for (int i = 0; i < 48; ++i) matrix.trits.push_back(static_cast<int8_t>(i));
  TernaryMatrix turned = matrix;
  rotate_rows(&turned, 3);
  EXPECT_EQ(turned.trits[2], 8) << "row 1 is what was row 4 of the head of 8";
  restore_rotated_rows(&turned, 3);
  EXPECT_EQ(turned.trits, matrix.trits);
}

}  // namespace
}  // namespace bitnetc::test
