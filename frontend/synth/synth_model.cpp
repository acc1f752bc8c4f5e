#include <cmath>
#include <filesystem>
#include <functional>
#include <nlohmann/json.hpp>
#include <variant>

#include "frontend/families/family.h"
#include "frontend/safetensors/safetensors_writer.h"
#include "frontend/synth.h"
#include "frontend/synth/random_weights.h"
#include "frontend/synth/tokenizer_document.h"
#include "runtime/math.h"
#include "runtime/new_folder.h"
#include "runtime/output_file.h"
#include "runtime/printable.h"
#include "runtime/rounding.h"

namespace bitnetc {
namespace {

namespace fs = std::filesystem;
using nlohmann::ordered_json;

// Appends row `row` of a tensor.
using RowWriter = std::function<void(int64_t row, std::vector<uint8_t>& out)>;

struct TensorHeader {
  std::string name, dtype;  // "BF16" or "U8"
  std::vector<int64_t> shape;

  int64_t bytes() const {
    int64_t total = dtype == "BF16" ? 2 : 1;
    for (const int64_t extent : shape) total *= extent;
    return total;
  }
};

struct SynthTensor {
  TensorHeader header;
  int64_t rows = 1;
  std::function<RowWriter()> begin;  // what a row holds is made when its turn comes
};

// The tensors of a model, in the order of the file.
class TensorList {
 public:
  explicit TensorList(const SynthRequest& request)
      : request_(request),
        shape_(request.shape),
        signed_columns_(request.active ? shape_.hidden / 4 : 0) {
    add_table("model.embed_tokens.weight", signed_columns_);
    for (int64_t layer = 0; layer < shape_.layers; ++layer) add_layer(layer);
    add_native_norm("model.norm.weight", shape_.hidden);
    if (shape_.family == SynthFamily::kLlama) add_table("lm_head.weight", 0);
  }

  std::vector<SynthTensor> take() { return std::move(tensors_); }

 private:
  // Outputs that are added to the residual stream: small, so that it grows slowly with depth.
  static constexpr double kResidualGain = 0.1;
  // Uniform values of variance 1.
  static constexpr float kUnitHigh = 1.7320508f;

  bool has_sub_norms() const {
    return shape_.family == SynthFamily::kBitnet || shape_.family == SynthFamily::kOneBitLlm;
  }
  bool is_gemma() const { return shape_.family == SynthFamily::kGemma3; }
  bool is_packed() const { return shape_.family != SynthFamily::kOneBitLlm; }

  void add_layer(int64_t layer) {
    const std::string prefix = fmt::format("model.layers.{}.", layer);
    const std::string self = prefix + "self_attn.", mlp = prefix + "mlp.";
    const bool is_old = shape_.family == SynthFamily::kOneBitLlm;
    const int64_t hidden = shape_.hidden, q = shape_.heads * shape_.head_dim;
    const int64_t kv = shape_.kv_heads * shape_.head_dim;
    add_native_norm(prefix + "input_layernorm.weight", hidden);
    if (shape_.is_encoder()) {
      add_native_norm(self + "q_norm.weight", shape_.head_dim);
      add_native_norm(self + "k_norm.weight", shape_.head_dim);
    }
    add_projection(self + "q_proj", {.n = q, .k = hidden});
    add_projection(self + "k_proj", {.n = kv, .k = hidden});
    add_projection(self + "v_proj", {.n = kv, .k = hidden});
    if (has_sub_norms())
      add_norm(self + (is_old ? "inner_attn_ln" : "attn_sub_norm") + ".weight", q);
    // The columns that carry the signs stay as the embedding has them: no layer adds to them.
    add_projection(self + "o_proj", {.n = hidden, .k = q, .silent_rows = signed_columns_},
                   kResidualGain);
    add_native_norm(prefix + "post_attention_layernorm.weight", hidden);
    if (is_gemma()) {
      add_native_norm(prefix + "pre_feedforward_layernorm.weight", hidden);
      add_native_norm(prefix + "post_feedforward_layernorm.weight", hidden);
    }
    add_projection(mlp + "gate_proj", gate_rule(mlp));
    add_projection(mlp + "up_proj", {.n = shape_.ffn, .k = hidden});
    if (has_sub_norms())
      add_norm(mlp + (is_old ? "ffn_layernorm" : "ffn_sub_norm") + ".weight", shape_.ffn);
    add_projection(mlp + "down_proj",
                   {.n = hidden, .k = shape_.ffn, .silent_rows = signed_columns_}, kResidualGain);
  }

  TritRule gate_rule(const std::string& name) const {
    TritRule rule{.n = shape_.ffn, .k = shape_.hidden, .signed_columns = signed_columns_};
    if (!request_.active) return rule;
    Random random = tensor_random(request_.seed, name + "active");
    for (int64_t row = 0; row < shape_.ffn; ++row)
      rule.active.push_back(random.uniform(0, 1) < static_cast<float>(*request_.active));
    return rule;
  }

  // bf16 m such that outputs of unit inputs have about the size of `gain`.
  uint16_t magnitude(int64_t k, double gain) const {
    const double nonzero = std::max(1 - request_.zeros, 1.0 / static_cast<double>(k));
    return math::round_to_bf16(
        static_cast<float>(gain / std::sqrt(static_cast<double>(k) * nonzero)));
  }

  void add_projection(const std::string& name, TritRule rule, double gain = 1) {
    rule.zeros = request_.zeros;
    const uint16_t m = magnitude(rule.k, gain);
    const std::string weight = name + ".weight";
    const Random random = tensor_random(request_.seed, weight);
    if (shape_.is_encoder()) add_norm(name + ".norm.weight", rule.k);
    if (is_packed()) {
      const int64_t rows = ceil_div(rule.n, int64_t{4});
      tensors_.push_back({.header = {weight, "U8", {rows, rule.k}}, .rows = rows, .begin = [=] {
                            return row_writer(std::make_shared<PackedTrits>(rule, random));
                          }});
      add_scale(name + ".weight_scale", m);
    } else {
      tensors_.push_back(
          {.header = {weight, "BF16", {rule.n, rule.k}}, .rows = rule.n, .begin = [=] {
             return row_writer(std::make_shared<MasterTrits>(rule, m, random));
           }});
    }
  }

  template <typename Trits>
  static RowWriter row_writer(std::shared_ptr<Trits> trits) {
    return [trits = std::move(trits)](int64_t row, std::vector<uint8_t>& out) {
      trits->append_row(row, out);
    };
  }

  // A Llama's scales divide.
  void add_scale(const std::string& name, uint16_t m) {
    const bool divides = shape_.family == SynthFamily::kLlama;
    const uint16_t bits = divides ? math::round_to_bf16(1 / math::widen_bf16(m)) : m;
    tensors_.push_back({.header = {name, "BF16", {1}}, .begin = [bits] {
                          return [bits](int64_t, std::vector<uint8_t>& out) {
                            out.push_back(static_cast<uint8_t>(bits));
                            out.push_back(static_cast<uint8_t>(bits >> 8));
                          };
                        }});
  }

  // Of factors about `centre`.
  void add_norm(const std::string& name, int64_t columns, float centre = 1) {
    const Random random = tensor_random(request_.seed, name);
    tensors_.push_back({.header = {name, "BF16", {columns}}, .begin = [=] {
                          return [=, random = random](int64_t, std::vector<uint8_t>& out) mutable {
                            append_norm_weights(random, columns, centre, out);
                          };
                        }});
  }

  // A Gemma's factors are 1 + w.
  void add_native_norm(const std::string& name, int64_t columns) {
    add_norm(name, columns, is_gemma() ? 0 : 1);
  }

  void add_table(const std::string& name, int64_t ones) {
    const Random random = tensor_random(request_.seed, name);
    const int64_t columns = shape_.hidden;
    tensors_.push_back(
        {.header = {name, "BF16", {shape_.vocab, columns}}, .rows = shape_.vocab, .begin = [=] {
           return [=, random = random](int64_t, std::vector<uint8_t>& out) mutable {
             append_uniform_row(random, columns, ones, kUnitHigh, out);
           };
         }});
  }

  const SynthRequest& request_;
  const SynthShape& shape_;
  const int64_t signed_columns_;
  std::vector<SynthTensor> tensors_;
};

double rope_theta(const SynthShape& shape) {
  if (shape.is_encoder()) return 1e6;
  return shape.family == SynthFamily::kOneBitLlm ? 1e4 : 5e5;
}

// Every sixth layer sees all positions.
ordered_json gemma_layer_types(int64_t layers) {
  ordered_json types = ordered_json::array();
  for (int64_t layer = 1; layer <= layers; ++layer)
    types.push_back(layer % 6 == 0 ? "full_attention" : "sliding_attention");
  return types;
}

std::string config_json(const SynthShape& shape) {
  const HfSpelling& words = find_family(synth_family_name(shape.family))->hf;
  ordered_json config = {{"architectures", ordered_json::array({words.architectures.front()})},
                         {"bos_token_id", shape.vocab - 2},
                         {"eos_token_id", shape.vocab - 1},
                         {std::string(words.activation_key), words.activation},
                         {"hidden_size", shape.hidden},
                         {"intermediate_size", shape.ffn},
                         {"max_position_embeddings", shape.max_positions},
                         {"model_type", words.model_type},
                         {"num_attention_heads", shape.heads},
                         {"num_hidden_layers", shape.layers},
                         {"num_key_value_heads", shape.kv_heads},
                         {"rms_norm_eps", 1e-5},
                         {"rope_theta", rope_theta(shape)},
                         {"tie_word_embeddings", shape.family != SynthFamily::kLlama},
                         {"torch_dtype", "bfloat16"},
                         {"use_cache", true},
                         {"vocab_size", shape.vocab}};
  if (shape.head_dim * shape.heads != shape.hidden || shape.is_encoder())
    config["head_dim"] = shape.head_dim;
  switch (shape.family) {
    case SynthFamily::kGemma3:
      config["query_pre_attn_scalar"] = shape.head_dim;
      config["sliding_window"] = 512;
      config["layer_types"] = gemma_layer_types(shape.layers);
      config["rope_local_base_freq"] = 1e4;
      [[fallthrough]];
    case SynthFamily::kQwen3:
    case SynthFamily::kBitnet:
      config["quantization_config"] = {{"quant_method", "bitnet"},
                                       {"linear_class", "autobitlinear"},
                                       {"quantization_mode", "offline"}};
      break;
    case SynthFamily::kOneBitLlm:
      config["weight_bits"] = 1;
      config["input_bits"] = 8;
      break;
    case SynthFamily::kLlama:
      config["quantization_config"] = {
          {"quant_method", "bitnet"}, {"modules_to_not_convert", ordered_json::array({"lm_head"})}};
      break;
  }
  return config.dump(2) + "\n";
}

Status write_text(NewFolder& folder, const char* name, std::string_view text) {
  BITNETC_ASSIGN_OR_RETURN(const std::string path, folder.file(name));
  BITNETC_ASSIGN_OR_RETURN(const auto file,
                           OutputFile::create(path, OutputFile::Accepts::kRegularFile));
  BITNETC_RETURN_IF_ERROR(file->write(text));
  return file->finish();
}

Status write_tensors(const SynthRequest& request, NewFolder& folder, Notes& notes,
                     const CancelToken* cancel) {
  constexpr size_t kBlockBytes = size_t{1} << 20;
  constexpr int64_t kMegabyte = 1000000;
  const std::vector<SynthTensor> tensors = TensorList(request).take();
  int64_t total = 0, done = 0;
  BITNETC_ASSIGN_OR_RETURN(const std::string path, folder.file("model.safetensors"));
  BITNETC_ASSIGN_OR_RETURN(const auto writer, SafetensorsWriter::create(path));
  for (const SynthTensor& tensor : tensors) {
    const TensorHeader& header = tensor.header;
    writer->announce(header.name, header.dtype, header.shape, header.bytes());
    total += header.bytes();
  }
  BITNETC_RETURN_IF_ERROR(writer->write_header());
  std::vector<uint8_t> block;
  const auto flush = [&]() -> Status {
    if (is_cancelled(cancel)) return Status(StatusCode::kCancelled, "interrupted");
    BITNETC_RETURN_IF_ERROR(writer->write(block));
    done += static_cast<int64_t>(block.size());
    block.clear();
    return {};
  };
  for (const SynthTensor& tensor : tensors) {
    const RowWriter append_row = tensor.begin();
    for (int64_t row = 0; row < tensor.rows; ++row) {
      append_row(row, block);
      if (block.size() >= kBlockBytes) BITNETC_RETURN_IF_ERROR(flush());
    }
    notes.progress({.task = "writing",
                    .done = static_cast<int>(done / kMegabyte),
                    .total = static_cast<int>(total / kMegabyte),
                    .what = tensor.header.name});
  }
  BITNETC_RETURN_IF_ERROR(flush());
  return writer->finish();
}

Status check_room(const fs::path& folder, int64_t bytes) {
  std::error_code failure;
  const fs::space_info space = fs::space(folder, failure);
  if (failure || space.available >= static_cast<uintmax_t>(bytes)) return {};
  return make_error(StatusCode::kIoError, "{}: {:.1f} GB are free; the model takes {:.1f} GB",
                    printable_path(folder.string()), static_cast<double>(space.available) / 1e9,
                    static_cast<double>(bytes) / 1e9);
}

Status validate(const SynthRequest& request) {
  BITNETC_RETURN_IF_ERROR(validate(request.shape));
  if (!(request.zeros >= 0 && request.zeros <= 1))
    return make_error(StatusCode::kInvalidArgument, "--zeros {}: expected 0 to 1", request.zeros);
  if (!request.active) return {};
  if (request.shape.family != SynthFamily::kBitnet)
    return make_error(StatusCode::kInvalidArgument,
                      "--active: a model of the family '{}' has no squared ReLU; expected 'bitnet'",
                      synth_family_name(request.shape.family));
  if (!(*request.active >= 0 && *request.active <= 1))
    return make_error(StatusCode::kInvalidArgument, "--active {}: expected 0 to 1",
                      *request.active);
  return {};
}

Status write_generation_config(const SynthShape& shape, NewFolder& folder) {
  const ordered_json generation = {{"bos_token_id", shape.vocab - 2},
                                   {"eos_token_id", shape.vocab - 1}};
  return write_text(folder, "generation_config.json", generation.dump(2) + "\n");
}

Status write_pooling(NewFolder& folder) {
  return write_text(folder, "1_Pooling/config.json",
                    ordered_json({{"pooling_mode", "lasttoken"}}).dump(2) + "\n");
}

Status write_files(const SynthRequest& request, NewFolder& folder, Notes& notes,
                   const CancelToken* cancel) {
  const SynthShape& shape = request.shape;
  BITNETC_RETURN_IF_ERROR(write_text(folder, "tokenizer.json", synth_tokenizer_json(shape.vocab)));
  BITNETC_RETURN_IF_ERROR(shape.is_encoder() ? write_pooling(folder)
                                             : write_generation_config(shape, folder));
  BITNETC_RETURN_IF_ERROR(write_tensors(request, folder, notes, cancel));
  return write_text(folder, "config.json", config_json(shape));
}

}  // namespace

int64_t synth_bytes(const SynthRequest& request) {
  int64_t total = 0;
  for (const SynthTensor& tensor : TensorList(request).take()) total += tensor.header.bytes();
  return total;
}

Status write_synth_folder(const SynthRequest& request, const std::string& folder, Notes& notes,
                          const CancelToken* cancel) {
  BITNETC_RETURN_IF_ERROR(validate(request));
  BITNETC_ASSIGN_OR_RETURN(const auto target, NewFolder::create(folder));
  BITNETC_RETURN_IF_ERROR(check_room(folder, synth_bytes(request)));
  BITNETC_RETURN_IF_ERROR(write_files(request, *target, notes, cancel));
  target->keep();
  return {};
}

}  // namespace bitnetc
