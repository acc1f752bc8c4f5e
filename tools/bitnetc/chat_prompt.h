// The prompt of `run --chat-prompt`: one user turn in the model's chat template.
#pragma once

#include <optional>
#include <string>

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

void add_chat_options(Command& command, ChatOptions& options);

// Error: kInvalidArgument for --system or --chat-template without --chat-prompt.
Status check_chat_options(const ChatOptions& options);

// `model_name` is what the model was asked for as, for messages; empty: the bundled one.
// Error: kNotFound without a template; else as ChatTemplate::create() and make_chat_request().
Result<ChatRequest> make_chat_request(const ChatOptions& options, const std::string& model_name,
                                      const Engine& engine);

}  // namespace bitnetc
