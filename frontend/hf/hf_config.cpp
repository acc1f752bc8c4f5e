#include "frontend/hf/hf_config.h"

#include <algorithm>
#include <limits>

#include "frontend/families/family.h"
#include "frontend/hf/hf_rope.h"
#include "frontend/json/object_reader.h"
#include "frontend/json/strict_json.h"

namespace bitnetc {
namespace {

using Json = nlohmann::json;

constexpr NumberRange kNotNegative{0, kFloatMax, "a number, at least 0"};
constexpr NumberRange kFraction{0, 1, "a number from 0 to 1"};

// Keys that leave the result alone, whatever their value.
constexpr std::string_view kHarmlessKeys[] = {
    "_name_or_path",
    "attention_dropout",
    "auto_map",
    "dtype",
    "hidden_dropout",
    "id2label",
    "initializer_range",
    "is_bitnet_config",
    "is_decoder",
    "label2id",
    "max_window_layers",
    "pad_token_id",
    "rope_local_base_freq",
    "pretraining_tp",
    "problem_type",
    "resid_pdrop",
    "return_dict",
    "torch_dtype",
    "transformers_version",
    "unk_token_id",
    "use_cache",
    "output_attentions",
    "output_hidden_states",
    "_attn_implementation",
};
constexpr std::string_view kHarmless = "cannot change the result";

// Whether a layer sees a window of positions only; nothing where none does. A window that no layer
// uses is harmless.
Result<std::vector<bool>> read_window_layers(ObjectReader* config, const HfSpelling& family) {
  const Json* types = config->find("layer_types");
  if (types == nullptr && family.has_window_layers)
    return config->error(StatusCode::kUnsupported,
                         "layer_types is missing; expected what each layer of a model of type "
                         "\"{}\" is",
                         family.model_type);
  if (types == nullptr) {
    BITNETC_RETURN_IF_ERROR(config->expect("sliding_window", nullptr));
    return std::vector<bool>();
  }
  std::vector<bool> windows;
  bool any = false, known = types->is_array();
  for (const Json& type : *types) {
    const bool is_window = type == "sliding_attention" && family.has_window_layers;
    known = known && (is_window || type == "full_attention");
    windows.push_back(is_window);
    any = any || is_window;
  }
  if (!known)
    return config->error(StatusCode::kUnsupported,
                         "layer_types = {} is not supported, only \"full_attention\"{} layers are",
                         json_excerpt(*types),
                         family.has_window_layers ? " and \"sliding_attention\"" : "");
  config->find("sliding_window_pattern");
  if (any) return windows;
  config->find("sliding_window");
  return std::vector<bool>();
}

// Keys that must be absent or have the one value that is implemented.
Status check_fixed_keys(ObjectReader* config, const HfSpelling& family) {
  const std::pair<const char*, Json> fixed[] = {
      {"attention_bias", false},
      {"mlp_bias", false},
      {"use_sliding_window", false},
      {"use_bidirectional_attention", false},
      {"partial_rotary_factor", 1},
      {"add_cross_attention", false},
      {"is_encoder_decoder", false},
      {"attn_logit_softcapping", nullptr},
      {"final_logit_softcapping", nullptr},
      {"clip_qkv", nullptr},
      {"use_qk_norm", false},
      {"qk_layernorm", false},
      {"weight_bits", 1},
      {"input_bits", 8},
  };
  for (const auto& [key, only_value] : fixed)
    BITNETC_RETURN_IF_ERROR(config->expect(key, only_value));

  const std::string key(family.activation_key);
  BITNETC_ASSIGN_OR_RETURN(const std::string act, config->required_text(key));
  if (act != family.activation)
    return config->error(StatusCode::kUnsupported, "{} = \"{}\" is not supported, only \"{}\" is",
                         key, act, family.activation);
  return {};
}

Status read_shapes(ObjectReader* config, const HfSpelling& family, ModelConfig* model) {
  const struct {
    const char* key;
    int64_t* value;
    int64_t most;
  } required[] = {
      {"vocab_size", &model->vocab_size, kMaxDimension},
      {"hidden_size", &model->hidden_size, kMaxDimension},
      {"intermediate_size", &model->intermediate_size, kMaxDimension},
      {"num_hidden_layers", &model->layers, kMaxLayers},
      {"num_attention_heads", &model->q_heads, kMaxDimension},
      {"max_position_embeddings", &model->max_positions, kMaxPositions},
  };
  for (const auto& field : required) {
    BITNETC_ASSIGN_OR_RETURN(*field.value, config->required_integer(field.key, 1, field.most));
  }

  BITNETC_ASSIGN_OR_RETURN(const auto kv_heads,
                           config->integer("num_key_value_heads", 1, kMaxDimension));
  model->kv_heads = kv_heads.value_or(family.kv_heads > 0 ? family.kv_heads : model->q_heads);
  if (model->q_heads % model->kv_heads != 0)
    return config->error(StatusCode::kDataCorrupt,
                         "num_key_value_heads = {} does not divide num_attention_heads = {}",
                         model->kv_heads, model->q_heads);

  BITNETC_ASSIGN_OR_RETURN(const auto head_dim, config->integer("head_dim", 1, kMaxDimension));
  if (!head_dim && family.head_dim == 0 && model->hidden_size % model->q_heads != 0)
    return config->error(StatusCode::kDataCorrupt,
                         "head_dim is missing and hidden_size = {} is not a multiple of "
                         "num_attention_heads = {}",
                         model->hidden_size, model->q_heads);
  model->head_dim = head_dim.value_or(family.head_dim > 0 ? family.head_dim
                                                          : model->hidden_size / model->q_heads);
  if (model->head_dim % 2 != 0)
    return config->error(StatusCode::kDataCorrupt, "head_dim = {} is odd; RoPE turns pairs",
                         model->head_dim);
  if (model->head_dim * model->q_heads > kMaxDimension)
    return config->error(StatusCode::kDataCorrupt,
                         "num_attention_heads * head_dim = {} * {} exceeds {}", model->q_heads,
                         model->head_dim, kMaxDimension);

  BITNETC_ASSIGN_OR_RETURN(const double eps, config->required_number("rms_norm_eps", kPositive));
  model->norm_eps = static_cast<float>(eps);
  BITNETC_ASSIGN_OR_RETURN(const auto scalar, config->number("query_pre_attn_scalar", kPositive));
  if (scalar || family.attention_scalar > 0)
    model->stated_attention_scale = attention_scale_of(scalar.value_or(family.attention_scalar));
  return {};
}

// RoPE, and which layers see a window.
Status read_rope(ObjectReader* config, const HfSpelling& family, HfConfig* result,
                 LoadReport* report) {
  BITNETC_ASSIGN_OR_RETURN(const std::vector<bool> windows, read_window_layers(config, family));
  ModelConfig& model = result->model;
  if (!windows.empty() && std::ssize(windows) != model.layers)
    return config->error(StatusCode::kDataCorrupt, "layer_types lists {} layers, expected {}",
                         windows.size(), model.layers);
  HfRope window_rope;
  BITNETC_ASSIGN_OR_RETURN(
      const HfRope rope,
      read_hf_rope(config, model.max_positions,
                   {.theta = family.rope_theta, .window_theta = family.window_rope_theta},
                   windows.empty() ? nullptr : &window_rope, &report->ignored_keys));
  model.rope_theta = rope.theta;
  model.rope_scaling = rope.scaling;
  if (windows.empty()) return {};
  BITNETC_ASSIGN_OR_RETURN(const int64_t window,
                           config->required_integer("sliding_window", 1, kMaxPositions));
  for (const bool is_window : windows)
    model.layer_facts.push_back(is_window ? LayerFacts{.window = window,
                                                       .rope_theta = window_rope.theta,
                                                       .rope_scaling = window_rope.scaling}
                                          : model.usual_layer());
  return {};
}

Status check_unconverted_modules(ObjectReader* quantization) {
  const Json* modules = quantization->find("modules_to_not_convert");
  if (modules == nullptr) return {};
  // These are never ternary, so naming them says nothing new. Any other name could match a
  // projection.
  const Json harmless = {"lm_head", "embed_tokens", "model.embed_tokens"};
  if (!modules->is_array())
    return quantization->error(StatusCode::kDataCorrupt,
                               "modules_to_not_convert is {}, expected a list",
                               json_excerpt(*modules));
  for (const Json& module : *modules)
    if (std::find(harmless.begin(), harmless.end(), module) == harmless.end())
      return quantization->error(
          StatusCode::kUnsupported,
          "modules_to_not_convert names {}: float projections are not supported",
          json_excerpt(module));
  return {};
}

// The weights say whether there are norms in front of the projections; here only their eps is read,
// which must be that of the other norms.
Status check_projection_norms(ObjectReader* quantization, const HfSpelling& family,
                              const ModelConfig& model) {
  if (!family.may_have_projection_norms) return quantization->expect("use_rms_norm", false);
  BITNETC_ASSIGN_OR_RETURN(const auto used, quantization->boolean("use_rms_norm"));
  if (!used.value_or(false)) return {};
  BITNETC_ASSIGN_OR_RETURN(const auto stated, quantization->number("rms_norm_eps", kPositive));
  const double eps = stated.value_or(1e-6);
  if (static_cast<float>(eps) == model.norm_eps) return {};
  return quantization->error(StatusCode::kUnsupported,
                             "rms_norm_eps = {} is not supported, only {}, that of the other norms",
                             eps, model.norm_eps);
}

Status read_quantization(ObjectReader* config, const HfSpelling& family, HfConfig* result,
                         LoadReport* report) {
  BITNETC_ASSIGN_OR_RETURN(auto quantization, config->object("quantization_config"));
  if (!quantization && !family.float_weights_are_masters)
    return config->error(StatusCode::kUnsupported,
                         "there is no quantization_config, so this is a float model of model_type "
                         "\"{}\", not a ternary one; expected quant_method \"bitnet\"",
                         family.model_type);
  if (!quantization) {
    result->storage = WeightStorage::kMasters;
    report->notes.push_back("no quantization_config: float weights are taken as masters");
    return {};
  }
  BITNETC_RETURN_IF_ERROR(quantization->expect("quant_method", "bitnet"));
  BITNETC_RETURN_IF_ERROR(check_projection_norms(&*quantization, family, result->model));
  BITNETC_RETURN_IF_ERROR(check_unconverted_modules(&*quantization));

  BITNETC_ASSIGN_OR_RETURN(const auto linear_class, quantization->text("linear_class"));
  const std::string linear = linear_class.value_or("bitlinear");
  if (linear != "bitlinear" && linear != "autobitlinear")
    return quantization->error(
        StatusCode::kUnsupported,
        "linear_class = \"{}\" is not supported: expected \"autobitlinear\" (weight_scale "
        "multiplies) or \"bitlinear\" (weight_scale divides)",
        linear);
  result->scale_rule = linear == "autobitlinear" ? ScaleRule::kMultiply : ScaleRule::kDivide;

  BITNETC_ASSIGN_OR_RETURN(const auto quantization_mode, quantization->text("quantization_mode"));
  const std::string mode = quantization_mode.value_or("offline");
  if (mode != "offline" && mode != "online")
    return quantization->error(StatusCode::kUnsupported,
                               "quantization_mode = \"{}\" is not supported: expected \"offline\" "
                               "(packed weights) or \"online\" (float masters)",
                               mode);
  result->storage = mode == "offline" ? WeightStorage::kPacked : WeightStorage::kMasters;
  if (result->storage == WeightStorage::kPacked && result->scale_rule == ScaleRule::kDivide)
    report->notes.push_back("linear_class bitlinear: stored weight scales are inverted");
  constexpr std::string_view kUnused[] = {"rms_norm_eps"};
  quantization->report_rest(kUnused, "use_rms_norm is off", &report->ignored_keys);
  return {};
}

// The family that config.json names by its model_type and its architecture.
Result<const Family*> read_family(ObjectReader* config) {
  BITNETC_ASSIGN_OR_RETURN(const std::string type, config->required_text("model_type"));
  std::string architecture;
  if (const Json* listed = config->find("architectures")) {
    if (!listed->is_array() || listed->size() != 1 || !listed->front().is_string())
      return config->error(StatusCode::kUnsupported,
                           "architectures is {}, expected a list of one name",
                           json_excerpt(*listed));
    architecture = listed->front().get<std::string>();
  }
  auto family = find_hf_family(type, architecture);
  if (!family.ok()) return config->error(family.status().code(), "{}", family.status().message());
  return family;
}

Result<std::vector<int32_t>> read_bos(ObjectReader* reader, int64_t vocab_size) {
  BITNETC_ASSIGN_OR_RETURN(auto ids, reader->token_ids("bos_token_id", vocab_size));
  if (ids.size() > 1)
    return reader->error(StatusCode::kUnsupported, "bos_token_id lists {} ids, expected one",
                         ids.size());
  return ids;
}

}  // namespace

Result<HfConfig> read_hf_config(std::string_view json, const std::string& origin,
                                LoadReport* report) {
  BITNETC_ASSIGN_OR_RETURN(const Json document, parse_strict_json(json, origin));
  BITNETC_ASSIGN_OR_RETURN(ObjectReader config, ObjectReader::open(document, origin));
  HfConfig result;
  BITNETC_ASSIGN_OR_RETURN(const Family* family, read_family(&config));
  result.model.family = family->name;
  result.model.output = family->output;
  result.norms_less_one = family->hf.norms_less_one;
  if (family->hf.master_scales_are_bf16) result.master_scale = MasterScale::kBf16;
  BITNETC_RETURN_IF_ERROR(check_fixed_keys(&config, family->hf));
  BITNETC_RETURN_IF_ERROR(read_shapes(&config, family->hf, &result.model));
  BITNETC_RETURN_IF_ERROR(read_rope(&config, family->hf, &result, report));
  BITNETC_RETURN_IF_ERROR(read_quantization(&config, family->hf, &result, report));
  // Absent means what it does in the Hugging Face class.
  BITNETC_ASSIGN_OR_RETURN(const auto tied, config.boolean("tie_word_embeddings"));
  result.tied_head = tied.value_or(family->hf.tied_head);
  BITNETC_ASSIGN_OR_RETURN(result.bos_ids, read_bos(&config, result.model.vocab_size));
  BITNETC_ASSIGN_OR_RETURN(result.stop_ids,
                           config.token_ids("eos_token_id", result.model.vocab_size));
  config.report_rest(kHarmlessKeys, kHarmless, &report->ignored_keys);
  return result;
}

GenerationDefaults generation_defaults(const HfConfig& config) {
  GenerationDefaults defaults;
  if (!config.bos_ids.empty()) defaults.bos_id = config.bos_ids.front();
  for (int32_t id : config.stop_ids)
    if (std::find(defaults.stop_ids.begin(), defaults.stop_ids.end(), id) ==
        defaults.stop_ids.end())
      defaults.stop_ids.push_back(id);
  return defaults;
}

namespace {

// Keys of generation_config.json that change the text at any value but a neutral one and have no
// counterpart here.
std::vector<std::string> unsupported_generation_keys(const Json& document) {
  struct Key {
    const char* name;
    double neutral;
  };
  constexpr Key kKeys[] = {{"begin_suppress_tokens", 0},
                           {"constraints", 0},
                           {"diversity_penalty", 0},
                           {"dola_layers", 0},
                           {"encoder_repetition_penalty", 1},
                           {"epsilon_cutoff", 0},
                           {"eta_cutoff", 0},
                           {"exponential_decay_length_penalty", 0},
                           {"force_words_ids", 0},
                           {"forced_bos_token_id", -1},
                           {"forced_decoder_ids", 0},
                           {"forced_eos_token_id", -1},
                           {"guidance_scale", 1},
                           {"min_length", 0},
                           {"min_new_tokens", 0},
                           {"num_return_sequences", 1},
                           {"num_beam_groups", 1},
                           {"num_beams", 1},
                           {"penalty_alpha", 0},
                           {"sequence_bias", 0},
                           {"stop_strings", 0},
                           {"top_h", 0},
                           {"typical_p", 1},
                           {"watermarking_config", 0}};
  constexpr size_t kMostBytes = 60;
  std::vector<std::string> keys;
  for (const auto& [name, neutral] : kKeys) {
    const auto found = document.find(name);
    if (found == document.end() || found->empty() || *found == false) continue;
    if (found->is_number() && found->get<double>() == neutral) continue;
    std::string value = found->dump(-1, ' ', /*ensure_ascii=*/true);
    if (value.size() > kMostBytes) value = value.substr(0, kMostBytes) + "...";
    keys.push_back(fmt::format("{} = {}", name, value));
  }
  return keys;
}

// A list of lists of ids. One that is only a token to stop at is left out, as in transformers.
Status read_bad_words(ObjectReader* reader, int64_t vocab_size, GenerationDefaults* defaults) {
  const Json* lists = reader->find("bad_words_ids");
  if (lists == nullptr) return {};
  const auto is_id = [&](const Json& id) {
    return id.is_number_unsigned() && id.get<uint64_t>() < static_cast<uint64_t>(vocab_size);
  };
  const bool valid =
      lists->is_array() && std::all_of(lists->begin(), lists->end(), [&](const Json& list) {
        return list.is_array() && !list.empty() && std::all_of(list.begin(), list.end(), is_id);
      });
  if (!valid)
    return reader->error(StatusCode::kDataCorrupt,
                         "bad_words_ids is {}, expected a list of lists of token ids below "
                         "vocab_size = {}",
                         json_excerpt(*lists), vocab_size);
  for (const Json& list : *lists) {
    const auto ids = list.get<std::vector<int32_t>>();
    const bool is_stop = ids.size() == 1 &&
                         std::find(defaults->stop_ids.begin(), defaults->stop_ids.end(), ids[0]) !=
                             defaults->stop_ids.end();
    if (!is_stop) defaults->bad_words_ids.push_back(ids);
  }
  return {};
}

}  // namespace

Result<GenerationDefaults> read_generation_config(std::string_view json, const std::string& origin,
                                                  const HfConfig& config, LoadReport* report) {
  BITNETC_ASSIGN_OR_RETURN(const Json document, parse_strict_json(json, origin));
  BITNETC_ASSIGN_OR_RETURN(ObjectReader reader, ObjectReader::open(document, origin));
  HfConfig joined = config;
  BITNETC_ASSIGN_OR_RETURN(const auto bos, read_bos(&reader, config.model.vocab_size));
  if (!bos.empty()) joined.bos_ids = bos;
  BITNETC_ASSIGN_OR_RETURN(const auto eos,
                           reader.token_ids("eos_token_id", config.model.vocab_size));
  joined.stop_ids.insert(joined.stop_ids.end(), eos.begin(), eos.end());

  GenerationDefaults defaults = generation_defaults(joined);
  BITNETC_ASSIGN_OR_RETURN(const auto do_sample, reader.boolean("do_sample"));
  defaults.do_sample = do_sample.value_or(false);
  BITNETC_ASSIGN_OR_RETURN(defaults.temperature, reader.number("temperature", kNotNegative));
  BITNETC_ASSIGN_OR_RETURN(defaults.top_p, reader.number("top_p", kFraction));
  BITNETC_ASSIGN_OR_RETURN(defaults.min_p, reader.number("min_p", kFraction));
  BITNETC_ASSIGN_OR_RETURN(defaults.repetition_penalty,
                           reader.number("repetition_penalty", kPositive));
  BITNETC_ASSIGN_OR_RETURN(const auto top_k, reader.integer("top_k", 0, kMaxDimension));
  if (top_k) defaults.top_k = static_cast<int>(*top_k);
  BITNETC_ASSIGN_OR_RETURN(defaults.suppress_tokens,
                           reader.token_ids("suppress_tokens", config.model.vocab_size));
  BITNETC_RETURN_IF_ERROR(read_bad_words(&reader, config.model.vocab_size, &defaults));
  BITNETC_ASSIGN_OR_RETURN(const auto ngram,
                           reader.integer("no_repeat_ngram_size", 0, kMaxPositions));
  defaults.no_repeat_ngram_size = static_cast<int>(ngram.value_or(0));
  constexpr std::string_view kUnused[] = {"_from_model_config",   "max_length",
                                          "max_new_tokens",       "pad_token_id",
                                          "transformers_version", "use_cache"};
  reader.report_rest(kUnused, "not a default of sampling", &report->ignored_keys);
  defaults.unsupported_keys = unsupported_generation_keys(document);
  return defaults;
}

}  // namespace bitnetc
