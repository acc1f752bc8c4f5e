// A conversation as a generation: what the three surfaces that chat have in common.
#pragma once

#include <optional>
#include <string>
#include <vector>

#include "tools/serve/api/prompt.h"
#include "tools/serve/api/tools.h"

namespace bitnetc::serve {

struct Conversation {
  std::vector<ChatMessage> messages;
  ToolsRequest tools;
  std::optional<Constraint> constraint;  // of the text of an answer
  bool add_generation_prompt = true;

  // Of an answer that may call tools.
  std::optional<ToolCallForm> call_form(const ServedModel& model) const {
    return tools && model.chat_template ? std::optional(model.chat_template->tool_call_form())
                                        : std::nullopt;
  }
};

// Rendered, checked against the context and bound. `param`: the field with the messages.
Checked<GenerationPlan> make_plan(const Conversation& conversation, const GenerationParams& params,
                                  const ServedModel& model, const char* param);

}  // namespace bitnetc::serve
