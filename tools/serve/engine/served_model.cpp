#include "tools/serve/engine/served_model.h"

#include <xxhash.h>

#include <chrono>
#include <filesystem>

#include "tools/engine/models.h"

namespace bitnetc::serve {
namespace {

// Equal numbers come of equal rules: counts up when a revision of them changes an answer.
constexpr int kAnswerRevision = 1;

std::string short_name(const std::string& model_name) {
  if (model_name.empty()) return kBundledModel;
  const auto path = std::filesystem::path(model_name).lexically_normal();
  const auto name = path.has_filename() ? path.filename() : path.parent_path().filename();
  const bool is_file = name.extension() == ".bnc" || name.extension() == ".gguf";
  return is_file ? name.stem().string() : name.string();
}

// Of all that answers depend on: the files that the model was made of, whatever it was compiled
// for, the type of keys and values, the chat template.
std::string fingerprint_of(const Engine& engine, const std::string& template_source) {
  std::string all =
      fmt::format("{}\n{}\n", kAnswerRevision, kv_type_name(engine.executable->kv.type));
  for (const SourceFile& file : engine.model->description().sources)
    all += fmt::format("{} {}\n", file.name, file.xxh3);
  all += template_source;
  return fmt::format("fp_{:016x}", XXH3_64bits(all.data(), all.size()));
}

}  // namespace

std::string ServedModel::special_token(const char* name) const {
  const auto found = special_tokens.find(name);
  return found == special_tokens.end() ? std::string() : found->second;
}

Result<ServedModel> make_served_model(Engine& engine, const ModelNames& names,
                                      int64_t context_tokens) {
  const ModelDescription& description = engine.model->description();
  const auto now = std::chrono::system_clock::now().time_since_epoch();
  const std::string& template_source =
      names.template_source.empty() ? description.chat_template : names.template_source;
  ServedModel model{
      .id = names.id.empty() ? short_name(names.model_name) : names.id,
      .fingerprint = fingerprint_of(engine, template_source),
      .created_s = std::chrono::duration_cast<std::chrono::seconds>(now).count(),
      .context_tokens = context_tokens > 0 ? context_tokens : description.config.max_positions,
      .config = description.config,
      .generation = description.generation,
      .encoder = description.encoder,
      .special_tokens = description.special_tokens,
      .tokenizer = std::move(engine.tokenizer),
      .template_source = template_source};
  model.grammars = std::make_unique<GrammarCache>(model.tokenizer);
  if (model.template_source.empty()) return model;
  const std::string origin =
      names.template_source.empty() ? "chat_template" : names.template_origin;
  BITNETC_ASSIGN_OR_RETURN(model.chat_template, ChatTemplate::create(model.template_source, origin,
                                                                     model.special_tokens));
  model.end_of_answer = model.chat_template->end_of_answer(*model.tokenizer);
  return model;
}

}  // namespace bitnetc::serve
