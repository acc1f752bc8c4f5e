#include "frontend/chat/tools_in_texts.h"

namespace bitnetc {
namespace {

std::string call_text(const ToolCall& call) {
  const ToolCallSyntax& syntax = syntax_of(kFormOfTexts);
  std::string text(syntax.before_name);
  text += call.name;
  text += syntax.before_arguments;
  text += call.arguments;
  text += syntax.behind_call;
  return text;
}

// The assistant's text and calls as it would have written them.
std::string answer_text(const ChatMessage& message) {
  const ToolCallSyntax& syntax = syntax_of(kFormOfTexts);
  std::string text = message.content;
  for (size_t i = 0; i < message.tool_calls.size(); ++i) {
    if (i > 0)
      text += syntax.between;
    else
      text += (text.empty() ? "" : "\n") + std::string(syntax.before_first);
    text += call_text(message.tool_calls[i]);
  }
  if (!message.tool_calls.empty()) text += syntax.behind_last;
  return text;
}

std::string instructions(std::span<const ChatTool> tools) {
  std::string text = "You can call these functions. Each line describes one:\n<tools>\n";
  for (const ChatTool& each : tools) text += each.json + "\n";
  text +=
      "</tools>\nTo call a function, end your answer with its name and arguments as JSON between "
      "tags:\n";
  text += answer_text({.role = "assistant",
                       .content = "",
                       .tool_calls = {{.id = "", .name = "NAME", .arguments = "{}"}}});
  text += "\nYou then get its result between <tool_response> and </tool_response>.";
  return text;
}

}  // namespace

std::vector<ChatMessage> tell_of_tools_in_texts(std::span<const ChatMessage> messages,
                                                std::span<const ChatTool> tools) {
  std::vector<ChatMessage> told;
  if (!tools.empty()) {
    const bool has_system = !messages.empty() && messages[0].role == "system";
    told.push_back({"system", (has_system ? messages[0].content + "\n\n" : std::string()) +
                                  instructions(tools)});
    if (has_system) messages = messages.subspan(1);
  }
  bool follows_tool = false;
  for (const ChatMessage& each : messages) {
    const bool is_tool = each.role == "tool";
    const std::string result = "<tool_response>\n" + each.content + "\n</tool_response>";
    if (!is_tool)
      told.push_back({.role = each.role,
                      .content = answer_text(each),
                      .reasoning_content = each.reasoning_content});
    else if (!follows_tool)
      told.push_back({"user", result});
    else
      told.back().content += "\n" + result;
    follows_tool = is_tool;
  }
  return told;
}

}  // namespace bitnetc
