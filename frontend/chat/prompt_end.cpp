#include "frontend/chat/prompt_end.h"

#include <algorithm>

#include "frontend/chat/certain_text.h"
#include "runtime/printable.h"

namespace bitnetc {

Status check_last_answer(std::span<const ChatMessage> messages) {
  if (messages.empty() || messages.back().role != "assistant")
    return make_error(StatusCode::kInvalidArgument,
                      "the last message is the {}'s, expected the assistant's, which goes on",
                      messages.empty() ? "nobody" : printable(messages.back().role, 40));
  if (messages.back().tool_calls.empty()) return {};
  return make_error(StatusCode::kInvalidArgument,
                    "the last message calls a tool: it has an end and cannot go on");
}

namespace {

void cut(ChatPrompt& prompt, size_t end) {
  prompt.text.resize(end);
  std::vector<TextSpan>& typed = prompt.typed;
  while (!typed.empty() && typed.back().begin >= end) typed.pop_back();
  if (!typed.empty()) typed.back().end = std::min(typed.back().end, end);
}

}  // namespace

Status cut_behind_content(ChatPrompt& prompt) {
  const std::string_view text = prompt.text;
  const std::string_view trimmed = kEndOfContent.substr(0, kEndOfContent.size() - 1);
  const size_t end = text.rfind(trimmed);
  if (end == text.npos)
    return make_error(StatusCode::kInvalidArgument,
                      "the template does not show the content of the last message, which was to go "
                      "on");
  const bool is_trimmed = !text.substr(end).starts_with(kEndOfContent);
  cut(prompt, is_trimmed ? text.substr(0, end).find_last_not_of(kSpaces) + 1 : end);
  return {};
}

ThinkPlace think_place(const ChatPrompt& prompt) {
  const std::string_view text = prompt.text;
  const size_t end = text.find_last_not_of(kSpaces) + 1;
  const bool is_typed = !prompt.typed.empty() && prompt.typed.back().end >= end;
  if (is_typed) return ThinkPlace::kMayBegin;
  if (text.substr(0, end).ends_with(kThinkTag)) return ThinkPlace::kInside;
  return text.substr(0, end).ends_with(kThinkEndTag) ? ThinkPlace::kNone : ThinkPlace::kMayBegin;
}

ThinkPlace think_place_within(const ChatMessage& message, const ChatPrompt& prompt) {
  const std::string_view content = message.content;
  const size_t begin = content.find_first_not_of(kSpaces);
  if (begin == content.npos) return think_place(prompt);
  const bool is_open =
      content.substr(begin).starts_with(kThinkTag) && content.find(kThinkEndTag) == content.npos;
  if (!is_open) return ThinkPlace::kNone;
  return content.find_last_not_of(kSpaces) + 1 == begin + kThinkTag.size() ? ThinkPlace::kInside
                                                                           : ThinkPlace::kGoesOn;
}

}  // namespace bitnetc
