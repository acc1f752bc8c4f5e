#include "tools/bitnetc/chat_prompt.h"

#include <utility>
#include <vector>

#include "runtime/printable.h"
#include "tools/bitnetc/text_input.h"
#include "tools/engine/models.h"

namespace bitnetc {
Result<OpenedTemplate> open_chat_template(const std::string& file, const std::string& model_name,
                                          const Engine& engine, const std::string& program_dir,
                                          const char* otherwise) {
  const ModelDescription& description = engine.model->description();
  OpenedTemplate opened{.source = description.chat_template};
  if (!file.empty()) {
    BITNETC_ASSIGN_OR_RETURN(opened.source, read_text(file));
  } else if (opened.source.empty()) {
    const std::string example = locate_example_template(program_dir);
    return make_error(StatusCode::kNotFound,
                      "{}: the model has no chat template; give one with --chat-template FILE{}, "
                      "or {}",
                      model_name.empty() ? kBundledModel : printable_path(model_name),
                      example.empty() ? "" : fmt::format(" ({} is a plain one)", example),
                      otherwise);
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
                                      const Engine& engine, const std::string& program_dir) {
  BITNETC_ASSIGN_OR_RETURN(const OpenedTemplate opened,
                           open_chat_template(options.template_file, model_name, engine,
                                              program_dir, "the text as it is with -p"));
  const std::pair<const char*, const std::optional<std::string>&> texts[] = {
      {"--system", options.system}, {"--chat-prompt", options.prompt}};
  for (const auto& [option, text] : texts)
    if (text)
      BITNETC_RETURN_IF_ERROR(check_message_text(*engine.tokenizer, *text).with_context(option));
  std::vector<ChatMessage> messages;
  if (options.system) messages.push_back({"system", *options.system});
  messages.push_back({"user", *options.prompt});
  return make_chat_request(*opened.chat_template, *engine.tokenizer, messages);
}

}  // namespace bitnetc
