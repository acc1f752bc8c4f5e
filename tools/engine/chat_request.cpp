#include "tools/engine/chat_request.h"

#include <ctime>

namespace bitnetc {

std::tm local_time() {
  const std::time_t now = std::time(nullptr);
  std::tm time = {};
  ::localtime_r(&now, &time);
  return time;
}

Status check_message_text(const Tokenizer& tokenizer, std::string_view text) {
  return tokenizer.encode(text, /*add_special=*/false).status();
}

Result<ChatRequest> make_chat_request(const ChatTemplate& chat_template, const Tokenizer& tokenizer,
                                      std::span<const ChatMessage> messages) {
  BITNETC_ASSIGN_OR_RETURN(const ChatPrompt prompt,
                           chat_template.render(messages, {.now = local_time()}));
  ChatRequest request;
  BITNETC_ASSIGN_OR_RETURN(request.prompt_ids, encode_chat(tokenizer, prompt));
  request.think = prompt.think;
  request.end_of_answer = chat_template.end_of_answer(tokenizer);
  return request;
}

}  // namespace bitnetc
