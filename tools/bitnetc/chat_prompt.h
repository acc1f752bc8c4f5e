// The prompt of `run --chat-prompt`: one user turn in the model's chat template.
#pragma once

#include <cstdint>
#include <optional>
#include <string>
#include <vector>

#include "runtime/status.h"
#include "tools/bitnetc/command_line.h"
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

struct ChatRequest {
  std::vector<int32_t> prompt_ids;
  std::optional<int32_t> end_of_answer;  // to stop at, besides what the model names
};

// `model_name` is what the model was asked for as, for messages; empty: the bundled one.
// Error: kNotFound without a template; else as ChatTemplate and encode_chat().
Result<ChatRequest> make_chat_request(const ChatOptions& options, const std::string& model_name,
                                      const Engine& engine);

}  // namespace bitnetc
