// Where a rendered prompt ends: within a last message that goes on; before, in or behind a block of
// thoughts.
#pragma once

#include <span>
#include <string_view>

#include "frontend/chat.h"

namespace bitnetc {

// Stands behind the content of the last message while it is rendered, as transformers does it: a
// template that trims the content takes the blank.
inline constexpr std::string_view kEndOfContent = "CONTINUE_FINAL_MESSAGE_TAG ";

// Error: kInvalidArgument where the last message cannot go on.
Status check_last_answer(std::span<const ChatMessage> messages);
// Cuts at kEndOfContent. Error: kInvalidArgument where the template has not shown it.
Status cut_behind_content(ChatPrompt& prompt);

// By the tag that the prompt ends with. A message is not taken for it.
ThinkPlace think_place(const ChatPrompt& prompt);
// Behind the content of `message`, with which the prompt ends.
ThinkPlace think_place_within(const ChatMessage& message, const ChatPrompt& prompt);

}  // namespace bitnetc
