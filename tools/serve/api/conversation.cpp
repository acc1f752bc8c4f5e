#include "tools/serve/api/conversation.h"

namespace bitnetc::serve {

Checked<GenerationPlan> make_plan(const Conversation& conversation, const GenerationParams& params,
                                  const ServedModel& model, const char* param) {
  auto chat = render_chat(model, conversation.messages, conversation.add_generation_prompt,
                          conversation.tools.offered);
  if (!chat.ok()) return chat.error();
  if (auto error = check_length(std::ssize(chat->ids), params.most_tokens, model, param))
    return *error;
  GenerationPlan plan{.prompts = {std::move(chat->ids)},
                      .params = params,
                      .stop_ids = stop_ids_of(model, params, model.end_of_answer)};
  auto constraint = constraint_with_tools(conversation.tools, conversation.constraint,
                                          model.chat_template->tool_call_form());
  if (!constraint.ok()) return constraint.error();
  if (auto error = bind_texts(*constraint, model, plan)) return *error;
  return plan;
}

}  // namespace bitnetc::serve
