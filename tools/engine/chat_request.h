// A conversation as the prompt of a generation.
#pragma once

#include <cstdint>
#include <optional>
#include <span>
#include <string_view>
#include <vector>

#include "frontend/chat.h"
#include "frontend/tokenizer.h"
#include "runtime/status.h"

namespace bitnetc {

struct ChatRequest {
  std::vector<int32_t> prompt_ids;
  std::optional<int32_t> end_of_answer;  // to stop at, besides what the model names
  ThinkPlace think = ThinkPlace::kNone;  // where the answer begins
};

// What a template is told of the time.
std::tm local_time();

// Of a text that is to be part of a message. Error: as Tokenizer::encode(): kInvalidArgument for
// bytes that are not UTF-8, which a template would replace.
Status check_message_text(const Tokenizer& tokenizer, std::string_view text);

// The messages up to where the model's answer begins; the template sees the local time.
// Error: as ChatTemplate::render() and encode_chat().
Result<ChatRequest> make_chat_request(const ChatTemplate& chat_template, const Tokenizer& tokenizer,
                                      std::span<const ChatMessage> messages);

}  // namespace bitnetc
