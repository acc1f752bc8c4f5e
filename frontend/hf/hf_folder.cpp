#include "frontend/hf/hf_folder.h"

#include <algorithm>
#include <charconv>
#include <map>

#include "frontend/chat.h"
#include "frontend/families/family.h"
#include "frontend/hf/hf_config.h"
#include "frontend/hf/hf_tokenizer.h"
#include "frontend/hf/hf_weight_source.h"
#include "frontend/hf/sentence_transformers.h"
#include "frontend/hf/tokenizer_config.h"
#include "frontend/json/object_reader.h"
#include "frontend/json/strict_json.h"
#include "frontend/safetensors/safetensors_model.h"
#include "frontend/source_file.h"
#include "frontend/stand_in.h"
#include "frontend/tokenizer.h"
#include "runtime/mapped_file.h"
#include "runtime/printable.h"

namespace bitnetc {
namespace {

// What messages call the file.
std::string origin_of(const MappedFile& file) {
  return printable_path(file.path());
}

// 3 of "model.layers.3.mlp.up_proj.weight".
std::optional<int64_t> layer_of(std::string_view tensor_name) {
  for (const std::string_view prefix : {"model.", "layers."}) {  // text encoders lack the first
    if (tensor_name.starts_with(prefix)) {
      tensor_name.remove_prefix(prefix.size());
    } else if (prefix == "layers.") {
      return std::nullopt;
    }
  }
  int64_t layer = 0;
  const auto [end, failure] =
      std::from_chars(tensor_name.data(), tensor_name.data() + tensor_name.size(), layer);
  const bool is_number = failure == std::errc() && layer >= 0;
  const bool is_part = end != tensor_name.data() + tensor_name.size() && *end == '.';
  return is_number && is_part ? std::optional(layer) : std::nullopt;
}

// A file with more layers than the configuration says is another model: run with the first of its
// layers it would answer nonsense. `config_origin` names config.json.
Status check_layers(const HfConfig& config, const SafetensorsModel& tensors,
                    const std::string& config_origin) {
  std::map<int64_t, std::string> beyond;  // layer -> a tensor of it
  for (const std::string& name : tensors.tensor_names())
    if (const auto layer = layer_of(name); layer && *layer >= config.model.layers)
      beyond.emplace(*layer, name);
  if (beyond.empty()) return {};
  const auto& [last, name] = *beyond.rbegin();
  return make_error(StatusCode::kDataCorrupt,
                    "{}: num_hidden_layers is {}, but the weights go on to layer {} (tensor {}), "
                    "expected {}",
                    config_origin, config.model.layers, last, printable(name, 100), last + 1);
}

class FolderLoader {
 public:
  explicit FolderLoader(const std::string& folder) : folder_(folder) {}

  Result<LoadedModel> load() {
    BITNETC_ASSIGN_OR_RETURN(const auto config_file, open("config.json"));
    BITNETC_ASSIGN_OR_RETURN(
        const HfConfig config,
        read_hf_config(text_of(*config_file), origin_of(*config_file), &model_.report));
    graph().config = config.model;
    if (config.storage == WeightStorage::kMasters)
      model_.report.notes.push_back(
          fmt::format("float masters: quantised with absmean, scales {}",
                      config.master_scale == MasterScale::kBf16 ? "rounded to bf16" : "in fp32"));
    BITNETC_ASSIGN_OR_RETURN(const SafetensorsModel tensors, SafetensorsModel::open(folder_));
    HfWeightSource weights(config, tensors);
    const Family* family = find_family(config.model.family);
    BITNETC_CHECK(family != nullptr, "family {} passed read_hf_config()", config.model.family);
    const ModelFacts facts = facts_of(config, weights);
    if (family->check != nullptr)
      BITNETC_RETURN_IF_ERROR(family->check(facts).with_context(printable_path(folder_)));
    BITNETC_RETURN_IF_ERROR(load_tokenizer(config));
    BITNETC_RETURN_IF_ERROR(load_chat());
    BITNETC_RETURN_IF_ERROR(load_generation(config));
    add_named_stop();
    if (config.model.output == ModelOutput::kHidden) BITNETC_RETURN_IF_ERROR(load_encoder());
    BITNETC_RETURN_IF_ERROR(check_layers(config, tensors, origin_of(*config_file)));
    for (const std::string& note : tensors.notes()) model_.report.notes.push_back(note);
    for (const auto& file : tensors.files()) graph().sources.push_back(describe_source(*file));
    BITNETC_RETURN_IF_ERROR(family->build(facts, weights, &graph()));
    if (const auto unused = weights.unused(); !unused.empty())
      model_.report.notes.push_back(
          fmt::format("not part of this model and not used: {}", tensor_list(unused)));
    BITNETC_RETURN_IF_ERROR(validate(graph()).with_context(printable_path(folder_)));
    return std::move(model_);
  }

 private:
  Graph& graph() { return model_.graph; }

  Result<std::shared_ptr<const MappedFile>> open(const char* name) {
    BITNETC_ASSIGN_OR_RETURN(auto file, MappedFile::open(folder_ + "/" + name));
    graph().sources.push_back(describe_source(*file));
    return file;
  }

  // Null when there is no such file.
  Result<std::shared_ptr<const MappedFile>> open_optional(const char* name) {
    auto file = open(name);
    if (!file.ok() && file.status().code() == StatusCode::kNotFound)
      return std::shared_ptr<const MappedFile>();
    return file;
  }

  // The tokenizer is made here to be checked: before anything is compiled, not when it is run.
  Status load_tokenizer(const HfConfig& config) {
    auto opened = open_hf_tokenizer(folder_);
    if (opened.status().code() == StatusCode::kNotFound)
      return opened.status().with_context("a model needs its tokenizer");
    BITNETC_RETURN_IF_ERROR(opened.status());
    for (const auto& file : opened->files) graph().sources.push_back(describe_source(*file));
    graph().tokenizer_json = std::move(opened->bytes);
    const std::string& origin = opened->origin;
    std::vector<std::string>& notes = model_.report.notes;
    BITNETC_ASSIGN_OR_RETURN(tokenizer_,
                             Tokenizer::from_file(graph().tokenizer_json, origin, &notes));
    if (tokenizer_->vocab_size() > config.model.vocab_size)
      notes.push_back(fmt::format(
          "{}: has ids up to {}, but vocab_size is {}: a text with one of the ids from there on is "
          "refused when it is run",
          origin, tokenizer_->vocab_size() - 1, config.model.vocab_size));
    return {};
  }

  // What chat needs: the template and the special tokens that it names. A chat_template.jinja of
  // its own goes before the field in tokenizer_config.json, as in transformers.
  Status load_chat() {
    BITNETC_RETURN_IF_ERROR(load_tokenizer_config());
    BITNETC_ASSIGN_OR_RETURN(const auto jinja, open_optional("chat_template.jinja"));
    if (jinja) {
      BITNETC_RETURN_IF_ERROR(
          check_is_not_stand_in(text_of(*jinja)).with_context(origin_of(*jinja)));
      graph().chat_template = text_of(*jinja);
      template_origin_ = origin_of(*jinja);
    }
    if (graph().chat_template.empty()) return {};
    const auto usable = ChatTemplate::create(graph().chat_template, template_origin_, {});
    if (!usable.ok())
      model_.report.notes.push_back(
          fmt::format("{}; the model cannot be used for chat with it", usable.status().message()));
    return {};
  }

  Status load_tokenizer_config() {
    BITNETC_ASSIGN_OR_RETURN(const auto file, open_optional("tokenizer_config.json"));
    if (!file) return {};
    const std::string origin = origin_of(*file);
    BITNETC_ASSIGN_OR_RETURN(const auto document, parse_strict_json(text_of(*file), origin));
    BITNETC_ASSIGN_OR_RETURN(const TokenizerConfig config,
                             read_tokenizer_config(document, origin, &model_.report.notes));
    graph().chat_template = config.chat_template;
    graph().special_tokens = config.special_tokens;
    template_origin_ = origin + ": chat_template";
    return {};
  }

  // tokenizer_config.json names an end of text, too, and not always the one of config.json.
  void add_named_stop() {
    const auto name = graph().special_tokens.find("eos_token");
    if (name == graph().special_tokens.end()) return;
    const std::optional<int32_t> id = tokenizer_->token_id(name->second);
    std::vector<int32_t>& stop_ids = graph().generation.stop_ids;
    if (id && std::find(stop_ids.begin(), stop_ids.end(), *id) == stop_ids.end())
      stop_ids.push_back(*id);
  }

  Status load_encoder() {
    BITNETC_ASSIGN_OR_RETURN(const auto modules, open_optional("modules.json"));
    if (modules) BITNETC_RETURN_IF_ERROR(check_modules(text_of(*modules), origin_of(*modules)));
    BITNETC_ASSIGN_OR_RETURN(const auto limits, open_optional("sentence_bert_config.json"));
    if (limits)
      BITNETC_RETURN_IF_ERROR(check_text_limits(text_of(*limits), origin_of(*limits),
                                                graph().config.max_positions,
                                                &model_.report.notes));
    BITNETC_ASSIGN_OR_RETURN(const auto pooling, open_optional("1_Pooling/config.json"));
    if (pooling) {
      BITNETC_ASSIGN_OR_RETURN(graph().encoder.pooling,
                               read_pooling(text_of(*pooling), origin_of(*pooling)));
    }
    BITNETC_ASSIGN_OR_RETURN(const auto prompts,
                             open_optional("config_sentence_transformers.json"));
    if (!prompts) return {};
    return read_prompts(text_of(*prompts), origin_of(*prompts), &graph().encoder);
  }

  Status load_generation(const HfConfig& config) {
    BITNETC_ASSIGN_OR_RETURN(const auto file, open_optional("generation_config.json"));
    if (!file) {
      graph().generation = generation_defaults(config);
      return {};
    }
    BITNETC_ASSIGN_OR_RETURN(
        graph().generation,
        read_generation_config(text_of(*file), origin_of(*file), config, &model_.report));
    return {};
  }

  static ModelFacts facts_of(const HfConfig& config, const HfWeightSource& weights) {
    return {.config = config.model,
            .tied_head = config.tied_head,
            .has_projection_norms = weights.find("model.layers.0.self_attn.q_proj.norm") != nullptr,
            .norms_less_one = config.norms_less_one};
  }

  std::string folder_;
  std::string template_origin_;  // what messages call the chat template
  std::unique_ptr<const Tokenizer> tokenizer_;
  LoadedModel model_;
};

}  // namespace

Result<LoadedModel> load_hf_folder(const std::string& folder) {
  return FolderLoader(folder).load();
}

}  // namespace bitnetc
