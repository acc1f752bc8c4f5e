#include "tools/bitnetc/chat_prompt.h"

#include "frontend/chat.h"
#include "runtime/printable.h"
#include "tools/bitnetc/text_input.h"

namespace bitnetc {
namespace {

Result<std::unique_ptr<const ChatTemplate>> open_template(const ChatOptions& options,
                                                          const std::string& model_name,
                                                          const ModelDescription& description) {
  if (!options.template_file.empty()) {
    BITNETC_ASSIGN_OR_RETURN(const std::string source, read_text(options.template_file));
    return ChatTemplate::create(source, printable_path(options.template_file),
                                description.special_tokens);
  }
  if (description.chat_template.empty())
    return make_error(StatusCode::kNotFound,
                      "{}: the model has no chat template; give one with --chat-template FILE, or "
                      "the text as it is with -p",
                      model_name.empty() ? kBundledModel : printable_path(model_name));
  return ChatTemplate::create(description.chat_template, "chat_template",
                              description.special_tokens);
}

}  // namespace

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
  BITNETC_ASSIGN_OR_RETURN(const auto chat_template,
                           open_template(options, model_name, engine.model->description()));
  std::vector<ChatMessage> messages;
  if (options.system) messages.push_back({"system", *options.system});
  messages.push_back({"user", *options.prompt});
  return make_chat_request(*chat_template, *engine.tokenizer, messages);
}

}  // namespace bitnetc
