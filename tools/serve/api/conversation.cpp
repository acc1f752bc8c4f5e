#include "tools/serve/api/conversation.h"

namespace bitnetc::serve {

Checked<ChatPlan> make_plan(const Conversation& conversation, const GenerationParams& params,
                            const ServedModel& model, const char* param) {
  auto chat =
      render_chat(model, conversation.messages, conversation.rendering, conversation.tools.offered);
  if (!chat.ok()) return chat.error();
  if (auto error = check_length(std::ssize(chat->ids), params.most_tokens, model, param))
    return *error;
  ChatPlan plan{.generation = {.prompts = {std::move(chat->ids)},
                               .params = params,
                               .stop_ids = stop_ids_of(model, params, model.end_of_answer)},
                .syntax = {.calls = std::nullopt, .think = chat->think}};
  const ToolCallForm form = model.chat_template->tool_call_form();
  if (conversation.tools) plan.syntax.calls = form;
  auto constraint = constraint_with_tools(conversation.tools, conversation.constraint, form);
  if (!constraint.ok()) return constraint.error();
  if (*constraint) (*constraint)->source.think = chat->think;
  if (auto error = bind_texts(*constraint, model, plan.generation)) return *error;
  return plan;
}

}  // namespace bitnetc::serve
