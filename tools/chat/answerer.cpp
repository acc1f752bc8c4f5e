#include "tools/chat/answerer.h"

#include <algorithm>

namespace bitnetc::chat {

// `tokens`: of all messages. A new conversation helps where the last message has room in one.
Status Answerer::no_room(std::span<const ChatMessage> messages, int64_t tokens) const {
  std::vector<ChatMessage> alone;
  if (messages.size() > 1 && messages.front().role == "system") alone.push_back(messages.front());
  const bool has_system = !alone.empty();
  alone.push_back(messages.back());
  BITNETC_ASSIGN_OR_RETURN(const ChatRequest chat, make_chat_request(template_, tokenizer_, alone));
  const int64_t least = std::ssize(chat.prompt_ids), context = session_.context_tokens();
  if (least > context)
    return make_error(StatusCode::kInvalidArgument,
                      "this message alone has {} tokens{}, the context is {}", least,
                      has_system ? " with the system message" : "", context);
  return make_error(StatusCode::kInvalidArgument,
                    "the context is full: the conversation has {} tokens with this message, the "
                    "context {}; /reset begins a new one",
                    tokens, context);
}

Result<Answer> Answerer::answer(std::span<const ChatMessage> messages, uint64_t seed,
                                const std::function<bool(const ThinkSplit&)>& on_text,
                                const CancelToken& cancel) {
  BITNETC_ASSIGN_OR_RETURN(ChatRequest chat, make_chat_request(template_, tokenizer_, messages));
  std::vector<int32_t>& ids = request_.prompt_ids;
  ids = std::move(chat.prompt_ids);
  if (ids.empty())
    return Status(StatusCode::kInvalidArgument, "the template makes no tokens of the conversation");
  if (std::ssize(ids) > session_.context_tokens()) return no_room(messages, std::ssize(ids));
  // The logits of the last token are wanted, so it is read again.
  const auto differs = std::ranges::mismatch(held_, ids).in1;
  const int64_t reused =
      std::min<int64_t>(std::distance(held_.begin(), differs), std::ssize(ids) - 1);
  session_.truncate(reused);
  request_.sampling.seed = seed;
  ThinkReader reader(chat.think);
  ThinkSplit said;
  const auto tell = [&](const ThinkSplit& split) {
    said.thought += split.thought;
    said.answer += split.answer;
    return split == ThinkSplit() || on_text(split);
  };
  const auto take = [&](std::string_view text) { return tell(reader.push(text)); };
  auto written = generate(session_, tokenizer_, request_, take, cancel);
  tell(reader.finish());
  held_ = ids;
  if (written.ok())
    held_.insert(held_.end(), written->ids.begin(), written->ids.end());
  else
    session_.truncate(std::min(session_.position(), std::ssize(ids)));
  held_.resize(static_cast<size_t>(session_.position()));
  BITNETC_RETURN_IF_ERROR(written.status());
  return Answer{.reused_tokens = reused,
                .prompt_tokens = std::ssize(ids),
                .written = *std::move(written),
                .said = std::move(said)};
}

}  // namespace bitnetc::chat
