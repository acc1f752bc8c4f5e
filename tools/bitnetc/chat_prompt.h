// The chat template of a model or of a file, and the prompt of `run --chat-prompt`: one turn of the
// user in it.
#pragma once

#include <memory>
#include <optional>
#include <string>

#include "frontend/chat.h"
#include "runtime/status.h"
#include "tools/bitnetc/command_line.h"
#include "tools/engine/chat_request.h"
#include "tools/engine/engine.h"

namespace bitnetc {

struct ChatOptions {
  std::optional<std::string> prompt;  // --chat-prompt
  std::optional<std::string> system;  // --system
  std::string template_file;          // --chat-template; empty: the model's own
};

struct OpenedTemplate {
  std::string source;
  std::unique_ptr<const ChatTemplate> chat_template;
};
// The template in `file`, or the model's own where it is empty. `model_name` is what the model was
// asked for as, for messages; empty: the bundled one. For the message where there is none:
// `program_dir` as of locate_example_template(), and `otherwise`, what else can be done.
// Error: kNotFound without a template; else as read_text() and ChatTemplate::create().
Result<OpenedTemplate> open_chat_template(const std::string& file, const std::string& model_name,
                                          const Engine& engine, const std::string& program_dir,
                                          const char* otherwise);

void add_chat_options(Command& command, ChatOptions& options);

// Error: kInvalidArgument for --system or --chat-template without --chat-prompt.
Status check_chat_options(const ChatOptions& options);

// Error: as open_chat_template() and make_chat_request().
Result<ChatRequest> make_chat_request(const ChatOptions& options, const std::string& model_name,
                                      const Engine& engine, const std::string& program_dir);

}  // namespace bitnetc
