#include "tests/support/model_folder.h"

#include <unistd.h>

#include <algorithm>
#include <bit>
#include <cmath>
#include <cstdlib>
#include <cstring>
#include <fstream>
#include <iterator>
#include <random>
#include <stdexcept>

namespace bitnetc::test {
namespace {

using Json = nlohmann::json;

uint16_t to_bf16(float value) {
  uint32_t bits = 0;
  std::memcpy(&bits, &value, sizeof bits);
  const uint32_t kept = bits >> 16, dropped = bits & 0xffffu;
  const bool up = dropped > 0x8000u || (dropped == 0x8000u && (kept & 1u) != 0);
  return static_cast<uint16_t>(kept + (up ? 1u : 0u));
}

float from_bf16(uint16_t bits) {
  return std::bit_cast<float>(uint32_t{bits} << 16);
}

void append_u16(std::vector<uint8_t>* out, uint16_t value) {
  out->push_back(static_cast<uint8_t>(value & 0xff));
  out->push_back(static_cast<uint8_t>(value >> 8));
}

// Draws floats from the raw 64-bit generator, whose sequence the standard fixes (distributions are
// free to differ between libraries).
class Random {
 public:
  explicit Random(uint64_t seed) : engine_(seed) {}
  float uniform(float low, float high) {
    const float unit = static_cast<float>(engine_() >> 40) * 0x1p-24f;
    return low + (high - low) * unit;
  }

 private:
  std::mt19937_64 engine_;
};

TensorData random_bf16(Random* random, std::vector<int64_t> shape, float low, float high) {
  int64_t elements = 1;
  for (int64_t extent : shape) elements *= extent;
  TensorData tensor{"BF16", std::move(shape), {}};
  for (int64_t i = 0; i < elements; ++i)
    append_u16(&tensor.bytes, to_bf16(random->uniform(low, high)));
  return tensor;
}

// The projections of a layer: name inside the layer, rows, columns.
struct Projection {
  const char* name;
  int64_t n, k;
};
std::vector<Projection> projections(const ModelShape& s) {
  const int64_t q = s.q_heads * s.head_dim, kv = s.kv_heads * s.head_dim;
  return {{"self_attn.q_proj", q, s.hidden},           {"self_attn.k_proj", kv, s.hidden},
          {"self_attn.v_proj", kv, s.hidden},          {"self_attn.o_proj", s.hidden, q},
          {"mlp.gate_proj", s.intermediate, s.hidden}, {"mlp.up_proj", s.intermediate, s.hidden},
          {"mlp.down_proj", s.hidden, s.intermediate}};
}

std::string layer_name(int64_t layer, const std::string& part) {
  return "model.layers." + std::to_string(layer) + "." + part;
}

TensorMap make_master_tensors(const ModelShape& s, uint64_t seed) {
  Random random(seed);
  TensorMap tensors;
  tensors["model.embed_tokens.weight"] = random_bf16(&random, {s.vocab, s.hidden}, -1, 1);
  for (int64_t layer = 0; layer < s.layers; ++layer) {
    const auto norm = [&](const char* part, int64_t width) {
      tensors[layer_name(layer, part) + ".weight"] = random_bf16(&random, {width}, 0.5f, 1.5f);
    };
    norm("input_layernorm", s.hidden);
    norm("self_attn.attn_sub_norm", s.q_heads * s.head_dim);
    norm("post_attention_layernorm", s.hidden);
    norm("mlp.ffn_sub_norm", s.intermediate);
    for (const Projection& p : projections(s)) {
      const float spread = random.uniform(0.02f, 0.08f);
      tensors[layer_name(layer, p.name) + ".weight"] =
          random_bf16(&random, {p.n, p.k}, -spread, spread);
    }
  }
  tensors["model.norm.weight"] = random_bf16(&random, {s.hidden}, 0.5f, 1.5f);
  if (!s.tied_head) tensors["lm_head.weight"] = random_bf16(&random, {s.vocab, s.hidden}, -1, 1);
  return tensors;
}

struct Quantised {
  TensorData packed, scale;
};

// Four rows a byte, a quarter of the rows apart: bits 2i+1..2i of byte (r, c) hold trit (i*R + r,
// c) + 1.
Quantised quantise(const TensorData& master) {
  const size_t n = static_cast<size_t>(master.shape[0]), k = static_cast<size_t>(master.shape[1]);
  std::vector<float> weights(n * k);
  double sum = 0;
  for (size_t i = 0; i < weights.size(); ++i) {
    weights[i] = from_bf16(
        static_cast<uint16_t>(master.bytes[2 * i] | (uint32_t{master.bytes[2 * i + 1]} << 8)));
    sum += std::abs(weights[i]);
  }
  const float m = std::max(static_cast<float>(sum / static_cast<double>(weights.size())), 1e-5f);
  const float inverse = 1.0f / m;

  const size_t quarter = (n + 3) / 4;
  Quantised result{{"U8", {static_cast<int64_t>(quarter), master.shape[1]}, {}}, {"BF16", {1}, {}}};
  result.packed.bytes.resize(quarter * k);
  for (size_t row = 0; row < n; ++row)
    for (size_t column = 0; column < k; ++column) {
      const float rounded = std::nearbyint(weights[row * k + column] * inverse);
      const unsigned code = rounded > 0 ? 2 : rounded < 0 ? 0 : 1;
      uint8_t& byte = result.packed.bytes[row % quarter * k + column];
      byte = static_cast<uint8_t>(byte | (code << (2 * (row / quarter))));
    }
  append_u16(&result.scale.bytes, to_bf16(m));
  return result;
}

Json make_config(const ModelShape& s, const char* quantization_mode) {
  return {{"architectures", {"BitNetForCausalLM"}},
          {"model_type", "bitnet"},
          {"vocab_size", s.vocab},
          {"hidden_size", s.hidden},
          {"intermediate_size", s.intermediate},
          {"num_hidden_layers", s.layers},
          {"num_attention_heads", s.q_heads},
          {"num_key_value_heads", s.kv_heads},
          {"head_dim", s.head_dim},
          {"max_position_embeddings", s.max_positions},
          {"hidden_act", "relu2"},
          {"rms_norm_eps", 1e-5},
          {"rope_theta", 500000.0},
          {"tie_word_embeddings", s.tied_head},
          {"bos_token_id", s.vocab - 2},
          {"eos_token_id", s.vocab - 1},
          {"torch_dtype", "bfloat16"},
          {"quantization_config",
           {{"quant_method", "bitnet"},
            {"linear_class", "autobitlinear"},
            {"quantization_mode", quantization_mode}}}};
}

ModelFiles make_files(const ModelShape& shape, const char* quantization_mode) {
  ModelFiles model;
  model.config = make_config(shape, quantization_mode);
  model.generation = {
      {"bos_token_id", shape.vocab - 2}, {"eos_token_id", {shape.vocab - 1}}, {"do_sample", false}};
  model.tokenizer_json = make_byte_tokenizer_json(shape.vocab);
  model.tokenizer_config = {{"tokenizer_class", "PreTrainedTokenizerFast"}};
  return model;
}

std::string utf8(uint32_t code_point) {
  if (code_point < 0x80) return {static_cast<char>(code_point)};
  return {static_cast<char>(0xc0 | (code_point >> 6)),
          static_cast<char>(0x80 | (code_point & 0x3f))};
}

// The character that stands for a byte in byte-level BPE: printable bytes for themselves, the
// others in order from U+0100 on.
std::vector<std::string> byte_characters() {
  std::vector<std::string> characters;
  uint32_t next = 0x100;
  for (uint32_t byte = 0; byte < 256; ++byte) {
    const bool printable =
        (byte >= 0x21 && byte <= 0x7e) || (byte >= 0xa1 && byte <= 0xac) || byte >= 0xae;
    characters.push_back(utf8(printable ? byte : next++));
  }
  return characters;
}

}  // namespace

TempFolder::TempFolder() {
  std::string pattern = (std::filesystem::temp_directory_path() / "bitnetc_test_XXXXXX").string();
  if (::mkdtemp(pattern.data()) == nullptr)
    throw std::runtime_error("cannot make a folder like " + pattern);
  path_ = pattern;
}

TempFolder::~TempFolder() {
  std::error_code ignored;
  std::filesystem::remove_all(path_, ignored);
}

ModelFiles make_master_model(const ModelShape& shape, uint64_t seed) {
  ModelFiles model = make_files(shape, "online");
  model.tensors = make_master_tensors(shape, seed);
  return model;
}

ModelFiles make_packed_model(const ModelShape& shape, uint64_t seed) {
  ModelFiles model = make_files(shape, "offline");
  model.tensors = make_master_tensors(shape, seed);
  for (int64_t layer = 0; layer < shape.layers; ++layer)
    for (const Projection& p : projections(shape)) {
      const std::string name = layer_name(layer, p.name);
      Quantised quantised = quantise(model.tensors.at(name + ".weight"));
      model.tensors[name + ".weight"] = std::move(quantised.packed);
      model.tensors[name + ".weight_scale"] = std::move(quantised.scale);
    }
  return model;
}

std::string safetensors_bytes(const TensorMap& tensors) {
  Json header = {{"__metadata__", {{"format", "pt"}}}};
  std::string data;
  for (const auto& [name, tensor] : tensors) {
    const size_t begin = data.size();
    data.append(tensor.bytes.begin(), tensor.bytes.end());
    header[name] = {
        {"dtype", tensor.dtype}, {"shape", tensor.shape}, {"data_offsets", {begin, data.size()}}};
  }
  std::string text = header.dump();
  text.resize((text.size() + 7) / 8 * 8, ' ');
  return safetensors_bytes(text, data);
}

std::string safetensors_bytes(const std::string& header, const std::string& data) {
  std::string bytes;
  for (int i = 0; i < 8; ++i)
    bytes.push_back(static_cast<char>((uint64_t{header.size()} >> (8 * i)) & 0xff));
  return bytes + header + data;
}

void write_model(const ModelFiles& model, const std::filesystem::path& folder, int shards) {
  std::filesystem::create_directories(folder);
  write_file(folder / "config.json", model.config.dump(2));
  if (!model.generation.is_null())
    write_file(folder / "generation_config.json", model.generation.dump(2));
  if (!model.tokenizer_json.empty()) write_file(folder / "tokenizer.json", model.tokenizer_json);
  if (!model.tokenizer_config.is_null())
    write_file(folder / "tokenizer_config.json", model.tokenizer_config.dump(2));
  if (shards == 1) {
    write_file(folder / "model.safetensors", safetensors_bytes(model.tensors));
    return;
  }

  std::vector<TensorMap> parts(static_cast<size_t>(shards));
  Json weight_map = Json::object();
  const auto shard_name = [](size_t shard) {
    return "model-" + std::to_string(shard + 1) + ".safetensors";
  };
  size_t next = 0;
  for (const auto& [name, tensor] : model.tensors) {
    const size_t shard = next++ % parts.size();
    parts[shard][name] = tensor;
    weight_map[name] = shard_name(shard);
  }
  for (size_t shard = 0; shard < parts.size(); ++shard)
    write_file(folder / shard_name(shard), safetensors_bytes(parts[shard]));
  write_file(folder / "model.safetensors.index.json",
             Json{{"metadata", Json::object()}, {"weight_map", weight_map}}.dump(2));
}

void write_file(const std::filesystem::path& path, const std::string& bytes) {
  // A new file, not a truncated one: some file systems flush the latter to disk when it is closed.
  std::filesystem::remove(path);
  std::ofstream out(path, std::ios::binary);
  out.write(bytes.data(), static_cast<std::streamsize>(bytes.size()));
  out.close();
  if (!out) throw std::runtime_error("cannot write " + path.string());
}

std::string read_file(const std::filesystem::path& path) {
  std::ifstream in(path, std::ios::binary);
  if (!in) throw std::runtime_error("cannot read " + path.string());
  return {std::istreambuf_iterator<char>(in), std::istreambuf_iterator<char>()};
}

std::string make_byte_tokenizer_json(int64_t vocab) {
  const int64_t bos = vocab - 2, eos = vocab - 1;
  const std::string bos_text = "<|begin_of_text|>", eos_text = "<|end_of_text|>";
  Json byte_vocab = Json::object();
  int64_t id = 0;
  for (const std::string& character : byte_characters())
    if (id < bos) byte_vocab[character] = id++;
  const auto special = [](int64_t token, const std::string& content) {
    return Json{{"id", token},     {"content", content},  {"single_word", false}, {"lstrip", false},
                {"rstrip", false}, {"normalized", false}, {"special", true}};
  };
  const Json split = {
      {"type", "Split"},
      {"pattern", {{"Regex", "\\s?\\p{L}+|\\s?\\p{N}{1,3}|\\s?[^\\s\\p{L}\\p{N}]+|\\s+"}}},
      {"behavior", "Isolated"},
      {"invert", false}};
  const Json byte_level = {{"type", "ByteLevel"},
                           {"add_prefix_space", false},
                           {"trim_offsets", true},
                           {"use_regex", false}};
  const Json bos_piece = {{"SpecialToken", {{"id", bos_text}, {"type_id", 0}}}};
  const Json text_piece = {{"Sequence", {{"id", "A"}, {"type_id", 0}}}};
  const Json tokenizer = {
      {"version", "1.0"},
      {"truncation", nullptr},
      {"padding", nullptr},
      {"added_tokens", Json::array({special(bos, bos_text), special(eos, eos_text)})},
      {"normalizer", nullptr},
      {"pre_tokenizer",
       {{"type", "Sequence"}, {"pretokenizers", Json::array({split, byte_level})}}},
      {"post_processor",
       {{"type", "TemplateProcessing"},
        {"single", Json::array({bos_piece, text_piece})},
        {"pair", Json::array({bos_piece, text_piece})},
        {"special_tokens",
         {{bos_text,
           {{"id", bos_text},
            {"ids", Json::array({bos})},
            {"tokens", Json::array({bos_text})}}}}}}},
      {"decoder", byte_level},
      {"model",
       {{"type", "BPE"},
        {"dropout", nullptr},
        {"unk_token", nullptr},
        {"continuing_subword_prefix", nullptr},
        {"end_of_word_suffix", nullptr},
        {"fuse_unk", false},
        {"byte_fallback", false},
        {"ignore_merges", true},
        {"vocab", byte_vocab},
        {"merges", Json::array()}}}};
  return tokenizer.dump();
}

}  // namespace bitnetc::test
