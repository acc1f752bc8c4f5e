// Tools of a request: which the model may call, whether it must, and the calls of an answer.
#pragma once

#include <optional>
#include <string>
#include <vector>

#include "tools/serve/api/constraint.h"

namespace bitnetc::serve {

inline constexpr size_t kMostTools = 128;

// How the surfaces spell the same things.
enum class ToolStyle {
  kChat,       // {"type": "function", "function": {"name", "description", "parameters"}}
  kResponses,  // {"type": "function", "name", "description", "parameters"}
  kMessages,   // {"name", "description", "input_schema"}
};

struct ToolsRequest {
  std::vector<ChatTool> offered;  // that the model is told of; none: it calls nothing
  std::vector<ChatTool> callable;
  bool must_call = false, may_call_many = true;
  // As the surface said them, for answers that repeat them.
  Json tools = Json::array(), choice = "auto";

  explicit operator bool() const { return !offered.empty(); }
};

// `tools`, `tool_choice`, `parallel_tool_calls`.
ToolsRequest read_tools(Fields& fields, ToolStyle style);

// The form of an answer that may call tools, and be a text of `constraint`. Without tools that of
// the constraint. Error: 400 for a text of another notation than a JSON schema.
Checked<std::optional<Constraint>> constraint_with_tools(const ToolsRequest& tools,
                                                         std::optional<Constraint> constraint,
                                                         ToolCallForm form);

// The calls of an assistant's message of chat. Nothing: `fields` says why.
std::vector<ToolCall> read_tool_calls(Fields& fields, const Json& calls, const std::string& path);
// The arguments of a call: a JSON object, or its text.
std::string read_arguments(Fields& fields, const Json& arguments, const std::string& path);

}  // namespace bitnetc::serve
