// A conversation as a generation: what the three surfaces that chat have in common.
#pragma once

#include <optional>
#include <vector>

#include "tools/serve/api/answer_reader.h"
#include "tools/serve/api/prompt.h"
#include "tools/serve/api/template_request.h"
#include "tools/serve/api/tools.h"

namespace bitnetc::serve {

struct Conversation {
  std::vector<ChatMessage> messages;
  ToolsRequest tools;
  std::optional<Constraint> constraint;  // of the text of an answer
  TemplateRequest rendering;
};

struct ChatPlan {
  GenerationPlan generation;
  AnswerSyntax syntax;  // of the answers
};

// Rendered, checked against the context and bound: behind what is thought before, where that is
// told apart. `param`: the field with the messages.
Checked<ChatPlan> make_plan(const Conversation& conversation, const GenerationParams& params,
                            const ServedModel& model, const char* param);

}  // namespace bitnetc::serve
