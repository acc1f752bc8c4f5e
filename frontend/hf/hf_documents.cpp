#include "frontend/hf/hf_documents.h"

#include <algorithm>
#include <cmath>
#include <nlohmann/json.hpp>

namespace bitnetc {
namespace {

using OrderedJson = nlohmann::ordered_json;

// 1e-05, not 9.99999974e-06: the shortest number that is the same in fp32.
double shortest(float value) {
  return std::stod(fmt::format("{}", value));
}

OrderedJson scaling_json(const RopeScaling& scaling) {
  if (scaling.kind == RopeScaling::Kind::kNone) return {{"rope_type", "default"}};
  OrderedJson json = {{"rope_type", rope_scaling_name(scaling.kind)}, {"factor", scaling.factor}};
  if (scaling.kind == RopeScaling::Kind::kLinear) return json;
  json["original_max_position_embeddings"] = scaling.original_positions;
  if (scaling.kind == RopeScaling::Kind::kLlama3) {
    json["low_freq_factor"] = scaling.low_freq_factor;
    json["high_freq_factor"] = scaling.high_freq_factor;
  } else {
    json["beta_fast"] = scaling.beta_fast;
    json["beta_slow"] = scaling.beta_slow;
    json["truncate"] = scaling.truncate;
    json["attention_factor"] = scaling.amplitude;
  }
  return json;
}

OrderedJson rope_json(double theta, const RopeScaling& scaling) {
  OrderedJson json = scaling_json(scaling);
  json["rope_theta"] = theta;
  return json;
}

// The older spelling, unless layers that see a window are scaled, which it cannot say.
Status add_rope_keys(const ModelConfig& config, OrderedJson* json) {
  const auto& layers = config.layer_facts;
  const auto windowed = std::ranges::find_if(layers, [](const auto& l) { return l.window > 0; });
  const bool has_windows = windowed != layers.end();
  if (has_windows) {
    for (const LayerFacts& layer : layers)
      if (layer != *windowed && layer != config.usual_layer())
        return make_error(StatusCode::kUnsupported,
                          "layer {} is neither like those that see a window of {} positions nor "
                          "like those that see all: a config.json has two kinds of layers",
                          &layer - layers.data(), windowed->window);
    (*json)["sliding_window"] = windowed->window;
    if (windowed->rope_scaling.kind != RopeScaling::Kind::kNone) {
      (*json)["rope_parameters"] = {
          {"full_attention", rope_json(config.rope_theta, config.rope_scaling)},
          {"sliding_attention", rope_json(windowed->rope_theta, windowed->rope_scaling)}};
      return {};
    }
    (*json)["rope_local_base_freq"] = windowed->rope_theta;
  }
  (*json)["rope_theta"] = config.rope_theta;
  if (config.rope_scaling.kind != RopeScaling::Kind::kNone)
    (*json)["rope_scaling"] = scaling_json(config.rope_scaling);
  return {};
}

void add_layer_types(const ModelConfig& config, OrderedJson* json) {
  OrderedJson types = OrderedJson::array();
  for (int64_t layer = 0; layer < config.layers; ++layer) {
    const bool is_window =
        !config.layer_facts.empty() && config.layer_facts[static_cast<size_t>(layer)].window > 0;
    types.push_back(is_window ? "sliding_attention" : "full_attention");
  }
  (*json)["layer_types"] = std::move(types);
}

// The number whose inverse root is the scale of attention: a whole one where there is one.
Status add_attention_scalar(const ModelConfig& config, OrderedJson* json) {
  const float scale = config.attention_scale();
  const double inverse = 1 / (double{scale} * double{scale});
  const double whole = std::round(inverse);
  if (whole <= static_cast<double>(kMaxDimension) && attention_scale_of(whole) == scale) {
    (*json)["query_pre_attn_scalar"] = static_cast<int64_t>(whole);
  } else if (attention_scale_of(inverse) == scale) {
    (*json)["query_pre_attn_scalar"] = inverse;
  } else {
    return make_error(StatusCode::kUnsupported,
                      "the scale of attention, {}, is not the inverse root of a number "
                      "(query_pre_attn_scalar)",
                      scale);
  }
  return {};
}

OrderedJson quantization_json(const Graph& graph) {
  OrderedJson json = {{"quant_method", "bitnet"},
                      {"linear_class", "autobitlinear"},
                      {"quantization_mode", "offline"}};
  const bool has_norms = std::ranges::any_of(
      graph.vectors, [](const FloatVector& each) { return is_projection_norm(each.name); });
  if (has_norms) {
    json["use_rms_norm"] = true;
    json["rms_norm_eps"] = shortest(graph.config.norm_eps);
  }
  return json;
}

}  // namespace

bool is_projection_norm(std::string_view name) {
  return name.ends_with("_proj.norm") || name.ends_with("_proj.norm.weight");
}

Result<std::string> config_document(const Graph& graph, const Family& family) {
  const ModelConfig& model = graph.config;
  const bool tied = std::ranges::none_of(
      graph.tables, [](const FloatTable& table) { return table.name == "lm_head.weight"; });
  OrderedJson json = {{"architectures", {family.hf.architectures.front()}},
                      {"model_type", family.hf.model_type},
                      {std::string(family.hf.activation_key), family.hf.activation},
                      {"vocab_size", model.vocab_size},
                      {"hidden_size", model.hidden_size},
                      {"intermediate_size", model.intermediate_size},
                      {"num_hidden_layers", model.layers},
                      {"num_attention_heads", model.q_heads},
                      {"num_key_value_heads", model.kv_heads},
                      {"head_dim", model.head_dim},
                      {"max_position_embeddings", model.max_positions},
                      {"rms_norm_eps", shortest(model.norm_eps)}};
  BITNETC_RETURN_IF_ERROR(add_rope_keys(model, &json));
  if (family.hf.has_window_layers) add_layer_types(model, &json);
  const float usual = attention_scale_of(static_cast<double>(model.head_dim));
  if (family.hf.attention_scalar > 0 || model.attention_scale() != usual)
    BITNETC_RETURN_IF_ERROR(add_attention_scalar(model, &json));
  json["tie_word_embeddings"] = tied;
  json["torch_dtype"] = "bfloat16";
  json["quantization_config"] = quantization_json(graph);
  if (graph.generation.bos_id) json["bos_token_id"] = *graph.generation.bos_id;
  json["eos_token_id"] = graph.generation.stop_ids;
  return json.dump(2) + "\n";
}

std::string generation_config_document(const GenerationDefaults& defaults) {
  OrderedJson json = {{"eos_token_id", defaults.stop_ids}, {"do_sample", defaults.do_sample}};
  const auto put = [&](const char* key, const auto& value) {
    if (value) json[key] = *value;
  };
  put("bos_token_id", defaults.bos_id);
  put("temperature", defaults.temperature);
  put("top_p", defaults.top_p);
  put("top_k", defaults.top_k);
  put("min_p", defaults.min_p);
  put("repetition_penalty", defaults.repetition_penalty);
  if (!defaults.suppress_tokens.empty()) json["suppress_tokens"] = defaults.suppress_tokens;
  if (!defaults.bad_words_ids.empty()) json["bad_words_ids"] = defaults.bad_words_ids;
  if (defaults.no_repeat_ngram_size > 0)
    json["no_repeat_ngram_size"] = defaults.no_repeat_ngram_size;
  return json.dump(2) + "\n";
}

std::string tokenizer_config_document(const Graph& graph) {
  OrderedJson json = {{"tokenizer_class", "PreTrainedTokenizerFast"},
                      {"clean_up_tokenization_spaces", false},
                      {"model_max_length", graph.config.max_positions}};
  for (const auto& [name, text] : graph.special_tokens) json[name] = text;
  return json.dump(2) + "\n";
}

}  // namespace bitnetc
