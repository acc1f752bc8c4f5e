// Tools for templates that know nothing of them: what there is to call, calls and results become
// parts of the messages' texts.
#pragma once

#include <span>
#include <vector>

#include "frontend/chat.h"

namespace bitnetc {

inline constexpr ToolCallForm kFormOfTexts = ToolCallForm::kTagged;

// Only with roles "system", "user" and "assistant", where there were no others but "tool": what
// tools answer is a user's text, several in a row are one message.
std::vector<ChatMessage> tell_of_tools_in_texts(std::span<const ChatMessage> messages,
                                                std::span<const ChatTool> tools);

}  // namespace bitnetc
