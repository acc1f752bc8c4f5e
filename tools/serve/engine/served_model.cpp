#include "tools/serve/engine/served_model.h"

#include <chrono>
#include <filesystem>

#include "tools/engine/fingerprint.h"
#include "tools/engine/models.h"

namespace bitnetc::serve {
namespace {

std::string short_name(const std::string& model_name) {
  if (model_name.empty()) return kBundledModel;
  const auto path = std::filesystem::path(model_name).lexically_normal();
  const auto name = path.has_filename() ? path.filename() : path.parent_path().filename();
  const bool is_file = name.extension() == ".bnc" || name.extension() == ".gguf";
  return is_file ? name.stem().string() : name.string();
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
      .fingerprint = answer_fingerprint(engine, template_source),
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
