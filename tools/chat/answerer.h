// Answers of a model in a conversation. The keys and values of what was read and written before
// stay, so that only what is new is computed.
#pragma once

#include <cstdint>
#include <functional>
#include <span>
#include <string>
#include <string_view>
#include <vector>

#include "frontend/chat.h"
#include "frontend/tokenizer.h"
#include "runtime/cancel_token.h"
#include "runtime/session.h"
#include "runtime/status.h"
#include "tools/engine/chat_request.h"
#include "tools/engine/generate.h"

namespace bitnetc::chat {

struct Answer {
  int64_t reused_tokens = 0;  // of the prompt, whose keys and values were there
  int64_t prompt_tokens = 0;  // all of it
  GenerationResult written;
  ThinkSplit said;  // its text: what was thought, and the answer

  int64_t computed_tokens() const { return prompt_tokens - reused_tokens; }
};

class Answerer {
 public:
  // All of them outlive it. `request`: how answers are written; its prompt is left out.
  Answerer(Session& session, const Tokenizer& tokenizer, const ChatTemplate& chat_template,
           GenerationRequest request)
      : session_(session),
        tokenizer_(tokenizer),
        template_(chat_template),
        request_(std::move(request)) {}

  // The answer to `messages`, whose last one is the user's: what `bitnetc serve` writes to the same
  // messages. A cancelled one is as long as it was then (kInterrupted).
  //   on_text  as of generate(), its stretches split
  //   Error    kInvalidArgument where the template refuses the messages or the context has no room
  //            for them, with both numbers; as generate(). What was there before is there still.
  Result<Answer> answer(std::span<const ChatMessage> messages, uint64_t seed,
                        const std::function<bool(const ThinkSplit&)>& on_text,
                        const CancelToken& cancel);

  // Of a text that is to be part of a message. Error: as check_message_text().
  Status check_text(std::string_view text) const { return check_message_text(tokenizer_, text); }

  int64_t tokens() const { return session_.position(); }  // whose keys and values are there
  int64_t context_tokens() const { return session_.context_tokens(); }

 private:
  Status no_room(std::span<const ChatMessage> messages, int64_t tokens) const;

  Session& session_;
  const Tokenizer& tokenizer_;
  const ChatTemplate& template_;
  GenerationRequest request_;
  std::vector<int32_t> held_;  // the tokens of the session, one per position
};

}  // namespace bitnetc::chat
