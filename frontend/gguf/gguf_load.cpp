#include "frontend/gguf/gguf_load.h"

#include "frontend/gguf/gguf_config.h"
#include "frontend/gguf/gguf_model.h"
#include "frontend/gguf/gguf_tokenizer.h"
#include "frontend/gguf/gguf_weight_source.h"
#include "frontend/source_file.h"
#include "frontend/tokenizer.h"
#include "runtime/printable.h"

namespace bitnetc {
namespace {

// Keys that say something about the file or its making.
void mark_descriptive_keys(const GgufModel& model, MetadataReader* reader) {
  for (const auto& entry : model.first().metadata()) {
    const std::string& key = entry.first;
    const bool is_descriptive =
        key.starts_with("general.") || key.starts_with("split.") || key.starts_with("quantize.");
    if (is_descriptive) reader->find(key);
  }
}

std::string listed(std::span<const std::string> names) {
  constexpr size_t kMostNames = 3;
  std::string text = fmt::format("{} tensor{}", names.size(), names.size() == 1 ? "" : "s");
  for (size_t i = 0; i < std::min(names.size(), kMostNames); ++i)
    text += fmt::format("{}{}", i == 0 ? " (" : ", ", printable(names[i], 100));
  return text + (names.size() > kMostNames ? ", ...)" : ")");
}

Status load_weights(const GgufModel& model, const GgufConfig& config, LoadedModel* loaded) {
  GgufWeightSource weights(model, *config.architecture, config.facts.config);
  BITNETC_RETURN_IF_ERROR(config.family->build(config.facts, weights, &loaded->graph));
  std::vector<std::string>& notes = loaded->report.notes;
  notes.insert(notes.end(), weights.notes().begin(), weights.notes().end());
  if (const auto unused = weights.unused(); !unused.empty())
    notes.push_back(
        fmt::format("{}: not part of this model and not used: {}", model.origin(), listed(unused)));
  return {};
}

}  // namespace

Result<LoadedModel> load_gguf(const std::string& path) {
  BITNETC_ASSIGN_OR_RETURN(const GgufModel model, GgufModel::open(path));
  return load_gguf(model);
}

Result<LoadedModel> load_gguf(const GgufModel& model) {
  LoadedModel loaded;
  Graph& graph = loaded.graph;
  MetadataReader reader(model.first());
  BITNETC_ASSIGN_OR_RETURN(const GgufConfig config, read_gguf_config(model, &reader));
  if (config.family->check != nullptr)
    BITNETC_RETURN_IF_ERROR(config.family->check(config.facts).with_context(model.origin()));
  graph.config = config.facts.config;
  graph.encoder = config.encoder;
  BITNETC_ASSIGN_OR_RETURN(
      GgufTokenizer tokenizer,
      read_gguf_tokenizer(*config.architecture, graph.config.vocab_size, &reader, &loaded.report));
  mark_descriptive_keys(model, &reader);
  BITNETC_RETURN_IF_ERROR(report_unread_keys(*config.architecture, reader, &loaded.report));
  // Made here only to be checked: before anything is compiled, not when it is run.
  BITNETC_RETURN_IF_ERROR(
      Tokenizer::from_json(tokenizer.json, model.origin() + ": tokenizer", &loaded.report.notes)
          .status());
  graph.tokenizer_json = std::move(tokenizer.json);
  graph.chat_template = std::move(tokenizer.chat_template);
  graph.generation = std::move(tokenizer.generation);
  graph.special_tokens = std::move(tokenizer.special_tokens);
  BITNETC_RETURN_IF_ERROR(load_weights(model, config, &loaded));
  for (const auto& file : model.files()) graph.sources.push_back(describe_source(*file));
  BITNETC_RETURN_IF_ERROR(validate(graph).with_context(model.origin()));
  return loaded;
}

Result<std::string> load_gguf_tokenizer(const std::string& path) {
  BITNETC_ASSIGN_OR_RETURN(const GgufModel model, GgufModel::open(path));
  MetadataReader reader(model.first());
  BITNETC_ASSIGN_OR_RETURN(const GgufConfig config, read_gguf_config(model, &reader));
  LoadReport report;
  BITNETC_ASSIGN_OR_RETURN(
      GgufTokenizer tokenizer,
      read_gguf_tokenizer(*config.architecture, config.facts.config.vocab_size, &reader, &report));
  return std::move(tokenizer.json);
}

}  // namespace bitnetc
