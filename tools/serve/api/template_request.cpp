#include "tools/serve/api/template_request.h"

#include <fmt/format.h>

namespace bitnetc::serve {
namespace {

constexpr char kEnableThinking[] = "enable_thinking", kEffort[] = "reasoning_effort";

bool names(const ServedModel& model, const std::string& variable) {
  return model.chat_template != nullptr && model.chat_template->names(variable);
}

void read_variables(Fields& fields, const ServedModel& model, Json& variables) {
  const Json* said = fields.find("chat_template_kwargs");
  if (said == nullptr || model.chat_template == nullptr) return;
  const std::string path = fields.path("chat_template_kwargs");
  if (!said->is_object())
    return fields.fail_at(path, "expected an object of variables for the chat template");
  for (const auto& [name, value] : said->items()) {
    const std::string where = fmt::format("{}.{}", path, name);
    if (model.chat_template->is_own_variable(name))
      return fields.fail_at(where, "is set by the server, expected another variable");
    if (!names(model, name)) fields.note_without_effect(where);
  }
  variables = *said;
}

// As llama.cpp's server names them.
bool read_splits_thoughts(Fields& fields) {
  const auto format = fields.text("reasoning_format");
  if (!format || *format == "auto" || *format == "deepseek") return true;
  if (*format != "none")
    fields.fail_at(fields.path("reasoning_format"),
                   "expected auto, deepseek or none, not '" + *format + "'");
  return false;
}

}  // namespace

TemplateRequest read_template_request(Fields& fields, const ServedModel& model) {
  TemplateRequest request{.splits_thoughts = read_splits_thoughts(fields)};
  read_variables(fields, model, request.variables);
  return request;
}

ChatEnd read_end(Fields& fields) {
  const auto begins = fields.boolean("add_generation_prompt");
  if (!fields.boolean("continue_final_message").value_or(false))
    return begins.value_or(true) ? ChatEnd::kAnswerBegins : ChatEnd::kConversation;
  if (begins.value_or(false))
    fields.fail_at(fields.path("continue_final_message"),
                   "expected one of it and 'add_generation_prompt'");
  return ChatEnd::kWithinLastAnswer;
}

bool set_thinking(bool thinks, const ServedModel& model, TemplateRequest& request) {
  if (!names(model, kEnableThinking)) return false;
  request.variables.emplace(kEnableThinking, thinks);
  return true;
}

void read_effort(Fields& fields, const char* name, const ServedModel& model,
                 TemplateRequest& request) {
  const auto effort = fields.text(name);
  if (!effort) return;
  bool has_effect = false;
  if (*effort == "none") {
    has_effect = set_thinking(false, model, request);
  } else if (names(model, kEffort)) {
    request.variables.emplace(kEffort, *effort);
    has_effect = true;
  }
  if (!has_effect) fields.note_without_effect(fields.path(name));
}

}  // namespace bitnetc::serve
