#include "tests/support/gguf_builder.h"

#include <algorithm>
#include <bit>
#include <cstring>
#include <stdexcept>

namespace bitnetc::test {
namespace {

using Json = nlohmann::json;

std::string text_of(const std::vector<uint8_t>& bytes) {
  return {bytes.begin(), bytes.end()};
}

// BF16 as F32: the upper half of its bits.
std::string widened(const TensorData& bf16) {
  std::string out;
  for (size_t i = 0; i < bf16.bytes.size(); i += 2) {
    out += std::string(2, '\0');
    out += static_cast<char>(bf16.bytes[i]);
    out += static_cast<char>(bf16.bytes[i + 1]);
  }
  return out;
}

const std::pair<const char*, const char*> kProjections[] = {
    {"self_attn.q_proj", "attn_q"}, {"self_attn.k_proj", "attn_k"},
    {"self_attn.v_proj", "attn_v"}, {"self_attn.o_proj", "attn_output"},
    {"mlp.gate_proj", "ffn_gate"},  {"mlp.up_proj", "ffn_up"},
    {"mlp.down_proj", "ffn_down"}};
const std::pair<const char*, const char*> kNorms[] = {{"input_layernorm", "attn_norm"},
                                                      {"self_attn.attn_sub_norm", "attn_sub_norm"},
                                                      {"post_attention_layernorm", "ffn_norm"},
                                                      {"mlp.ffn_sub_norm", "ffn_sub_norm"}};

// The tokens of a byte-level tokenizer.json, in the order of their ids.
void add_tokenizer(const Json& tokenizer, int64_t vocab, GgufBuilder* gguf) {
  std::vector<std::string> tokens(static_cast<size_t>(vocab));
  std::vector<int32_t> types(tokens.size(), 5);
  for (size_t i = 0; i < tokens.size(); ++i) tokens[i] = "[unused" + std::to_string(i) + "]";
  for (const auto& [text, id] : tokenizer["model"]["vocab"].items()) {
    tokens[id.get<size_t>()] = text;
    types[id.get<size_t>()] = 1;
  }
  for (const Json& added : tokenizer["added_tokens"]) {
    tokens[added["id"].get<size_t>()] = added["content"];
    types[added["id"].get<size_t>()] = 3;
  }
  gguf->add_text("tokenizer.ggml.model", "gpt2");
  gguf->add_text("tokenizer.ggml.pre", "llama-bpe");
  gguf->add_texts("tokenizer.ggml.tokens", tokens);
  gguf->add_i32s("tokenizer.ggml.token_type", types);
  gguf->add_texts("tokenizer.ggml.merges", {});
  gguf->add_u32("tokenizer.ggml.bos_token_id", static_cast<uint32_t>(vocab - 2));
  gguf->add_u32("tokenizer.ggml.eos_token_id", static_cast<uint32_t>(vocab - 1));
  gguf->add_bool("tokenizer.ggml.add_bos_token", true);
}

}  // namespace

std::string le_bytes(uint64_t value, size_t count) {
  std::string out;
  for (size_t i = 0; i < count; ++i) out += static_cast<char>((value >> (8 * i)) & 0xff);
  return out;
}

std::string gguf_string(const std::string& text) {
  return le_bytes(text.size(), 8) + text;
}

std::string f32_bytes(const std::vector<float>& values) {
  std::string out;
  for (const float value : values) out += le_bytes(std::bit_cast<uint32_t>(value), 4);
  return out;
}

void GgufBuilder::add_u32(const std::string& key, uint32_t value) {
  values.push_back({key, 4, le_bytes(value, 4)});
}
void GgufBuilder::add_f32(const std::string& key, float value) {
  values.push_back({key, 6, f32_bytes({value})});
}
void GgufBuilder::add_bool(const std::string& key, bool value) {
  values.push_back({key, 7, le_bytes(value ? 1 : 0, 1)});
}
void GgufBuilder::add_text(const std::string& key, const std::string& value) {
  values.push_back({key, 8, gguf_string(value)});
}
void GgufBuilder::add_texts(const std::string& key, const std::vector<std::string>& texts) {
  std::string bytes = le_bytes(8, 4) + le_bytes(texts.size(), 8);
  for (const std::string& text : texts) bytes += gguf_string(text);
  values.push_back({key, 9, bytes});
}
void GgufBuilder::add_i32s(const std::string& key, const std::vector<int32_t>& integers) {
  std::string bytes = le_bytes(5, 4) + le_bytes(integers.size(), 8);
  for (const int32_t each : integers) bytes += le_bytes(static_cast<uint32_t>(each), 4);
  values.push_back({key, 9, bytes});
}
void GgufBuilder::add_tensor(const std::string& name, std::vector<uint64_t> extents, uint32_t type,
                             std::string bytes) {
  tensors.push_back({name, std::move(extents), type, std::move(bytes)});
}

GgufBuilder::Value& GgufBuilder::value(const std::string& key) {
  const auto found = std::ranges::find(values, key, &Value::key);
  if (found == values.end()) throw std::runtime_error("no value " + key);
  return *found;
}
GgufBuilder::Tensor& GgufBuilder::tensor(const std::string& name) {
  const auto found = std::ranges::find(tensors, name, &Tensor::name);
  if (found == tensors.end()) throw std::runtime_error("no tensor " + name);
  return *found;
}
void GgufBuilder::remove(const std::string& key) {
  std::erase_if(values, [&](const Value& each) { return each.key == key; });
}

std::string GgufBuilder::bytes() const {
  const auto padded = [&](std::string text) {
    text.resize((text.size() + alignment - 1) / alignment * alignment);
    return text;
  };
  std::string header = "GGUF" + le_bytes(version, 4) +
                       le_bytes(tensor_count.value_or(tensors.size()), 8) +
                       le_bytes(value_count.value_or(values.size()), 8);
  for (const Value& each : values)
    header += gguf_string(each.key) + le_bytes(each.type, 4) + each.bytes;
  std::string data;
  for (const Tensor& each : tensors) {
    header += gguf_string(each.name) + le_bytes(each.extents.size(), 4);
    for (const uint64_t extent : each.extents) header += le_bytes(extent, 8);
    header += le_bytes(each.type, 4) + le_bytes(each.offset.value_or(data.size()), 8);
    data = padded(data + each.bytes);
  }
  return padded(header) + data;
}

std::string pack_i2_s(const std::vector<int8_t>& trits, float scale) {
  std::string out(trits.size() / 4, '\0');
  for (size_t i = 0; i < trits.size(); ++i) {
    const size_t byte = i / 128 * 32 + i % 32, shift = 6 - 2 * (i % 128 / 32);
    out[byte] = static_cast<char>(out[byte] | ((trits[i] + 1) << shift));
  }
  return out + f32_bytes({scale}) + std::string(28, '\0');
}

std::string pack_tq2_0(const std::vector<int8_t>& trits, uint16_t scale_bits) {
  std::string out;
  for (size_t first = 0; first < trits.size(); first += 256) {
    std::string block(64, '\0');
    for (size_t i = 0; i < 256; ++i) {
      char& byte = block[i / 128 * 32 + i % 32];
      byte = static_cast<char>(byte | ((trits[first + i] + 1) << (2 * (i % 128 / 32))));
    }
    out += block + le_bytes(scale_bits, 2);
  }
  return out;
}

std::string pack_tq1_0(const std::vector<int8_t>& trits, uint16_t scale_bits) {
  // Five digits, those that are missing zero, as the byte whose multiples give them back.
  const auto byte_of = [](const std::vector<int>& digits) {
    int u = 0;
    for (size_t i = 0; i < 5; ++i) u = 3 * u + (i < digits.size() ? digits[i] + 1 : 0);
    return static_cast<char>((256 * u + 242) / 243);
  };
  std::string out;
  for (size_t first = 0; first < trits.size(); first += 256) {
    const auto add = [&](size_t begin, size_t bytes, size_t digits) {
      for (size_t m = 0; m < bytes; ++m) {
        std::vector<int> taken;
        for (size_t i = 0; i < digits; ++i) taken.push_back(trits[first + begin + m + bytes * i]);
        out += byte_of(taken);
      }
    };
    add(0, 32, 5);
    add(160, 16, 5);
    add(240, 4, 4);
    out += le_bytes(scale_bits, 2);
  }
  return out;
}

TernaryData unpack_projection(const ModelFiles& model, const std::string& name) {
  const TensorData& packed = model.tensors.at(name + ".weight");
  const TensorData& scale = model.tensors.at(name + ".weight_scale");
  TernaryData data{.n = 4 * packed.shape[0], .k = packed.shape[1], .trits = {}};
  const auto quarter = packed.shape[0];
  for (int64_t row = 0; row < data.n; ++row)
    for (int64_t column = 0; column < data.k; ++column) {
      const uint8_t byte = packed.bytes[static_cast<size_t>(row % quarter * data.k + column)];
      data.trits.push_back(static_cast<int8_t>(((byte >> (2 * (row / quarter))) & 3) - 1));
    }
  const uint32_t bits = uint32_t{scale.bytes[0]} | (uint32_t{scale.bytes[1]} << 8);
  data.scale = std::bit_cast<float>(bits << 16);
  return data;
}

GgufBuilder make_gguf_model(const ModelShape& shape, const ModelFiles& packed) {
  const std::string arch = "bitnet-b1.58";
  const auto u32 = [](int64_t value) { return static_cast<uint32_t>(value); };
  GgufBuilder gguf;
  gguf.add_text("general.architecture", arch);
  gguf.add_u32("general.file_type", 40);
  gguf.add_u32(arch + ".vocab_size", u32(shape.vocab));
  gguf.add_u32(arch + ".context_length", u32(shape.max_positions));
  gguf.add_u32(arch + ".embedding_length", u32(shape.hidden));
  gguf.add_u32(arch + ".block_count", u32(shape.layers));
  gguf.add_u32(arch + ".feed_forward_length", u32(shape.intermediate));
  gguf.add_u32(arch + ".attention.head_count", u32(shape.q_heads));
  gguf.add_u32(arch + ".attention.head_count_kv", u32(shape.kv_heads));
  gguf.add_u32(arch + ".rope.dimension_count", u32(shape.head_dim));
  gguf.add_f32(arch + ".rope.freq_base", 500000.0f);
  gguf.add_f32(arch + ".attention.layer_norm_rms_epsilon", 1e-5f);
  add_tokenizer(Json::parse(packed.tokenizer_json), shape.vocab, &gguf);

  const auto extent = [](int64_t value) { return static_cast<uint64_t>(value); };
  const std::vector<uint64_t> table = {extent(shape.hidden), extent(shape.vocab)};
  gguf.add_tensor("token_embd.weight", table, 30,
                  text_of(packed.tensors.at("model.embed_tokens.weight").bytes));
  for (int64_t layer = 0; layer < shape.layers; ++layer) {
    const std::string from = "model.layers." + std::to_string(layer) + ".";
    const std::string to = "blk." + std::to_string(layer) + ".";
    for (const auto& [name, file_name] : kProjections) {
      const TernaryData data = unpack_projection(packed, from + name);
      gguf.add_tensor(to + file_name + ".weight", {extent(data.k), extent(data.n)}, 36,
                      pack_i2_s(data.trits, data.scale));
    }
    for (const auto& [name, file_name] : kNorms) {
      const TensorData& norm = packed.tensors.at(from + name + ".weight");
      gguf.add_tensor(to + file_name + ".weight", {extent(norm.shape[0])}, 0, widened(norm));
    }
  }
  const TensorData& norm = packed.tensors.at("model.norm.weight");
  gguf.add_tensor("output_norm.weight", {extent(norm.shape[0])}, 0, widened(norm));
  if (!shape.tied_head)
    gguf.add_tensor("output.weight", table, 30, text_of(packed.tensors.at("lm_head.weight").bytes));
  return gguf;
}

}  // namespace bitnetc::test
