#include "tools/bitnetc/chat_prompt.h"

#include "runtime/printable.h"
#include "tools/bitnetc/text_input.h"

namespace bitnetc {
Result<OpenedTemplate> open_chat_template(const std::string& file, const std::string& model_name,
                                          const Engine& engine, const char* otherwise) {
  const ModelDescription& description = engine.model->description();
  OpenedTemplate opened{.source = description.chat_template};
  if (!file.empty()) {
    BITNETC_ASSIGN_OR_RETURN(opened.source, read_text(file));
  } else if (opened.source.empty()) {
    return make_error(StatusCode::kNotFound,
                      "{}: the model has no chat template; give one with --chat-template FILE, or "
                      "{}",
                      model_name.empty() ? kBundledModel : printable_path(model_name), otherwise);
  }
  BITNETC_ASSIGN_OR_RETURN(
      opened.chat_template,
      ChatTemplate::create(opened.source, file.empty() ? "chat_template" : printable_path(file),
                           description.special_tokens));
  return opened;
}

void add_chat_options(Command& command, ChatOptions& options) {
  command.maybe_empty_text("--chat-prompt", options.prompt, "TEXT",
                           "Ask the model this, in its chat template");
  command.maybe_empty_text("--system", options.system, "TEXT",
                           "Put a system message before --chat-prompt");
  command.text("--chat-template", options.template_file, "FILE",
               "Use this Jinja template instead of the model's");
}

Status check_chat_options(const ChatOptions& options) {
  if (options.prompt) return {};
  if (options.system)
    return Status(StatusCode::kInvalidArgument, "--system goes with --chat-prompt");
  if (!options.template_file.empty())
    return Status(StatusCode::kInvalidArgument, "--chat-template goes with --chat-prompt");
  return {};
}

Result<ChatRequest> make_chat_request(const ChatOptions& options, const std::string& model_name,
                                      const Engine& engine) {
  BITNETC_ASSIGN_OR_RETURN(
      const OpenedTemplate opened,
      open_chat_template(options.template_file, model_name, engine, "the text as it is with -p"));
  std::vector<ChatMessage> messages;
  if (options.system) messages.push_back({"system", *options.system});
  messages.push_back({"user", *options.prompt});
  return make_chat_request(*opened.chat_template, *engine.tokenizer, messages);
}

}  // namespace bitnetc
