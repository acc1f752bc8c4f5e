// What a request says of the rendering of its conversation, and of what the model thinks before it
// answers.
#pragma once

#include "frontend/chat.h"
#include "tools/serve/api/fields.h"
#include "tools/serve/engine/served_model.h"

namespace bitnetc::serve {

struct TemplateRequest {
  ChatEnd end = ChatEnd::kAnswerBegins;
  Json variables = Json::object();  // further ones of the template
  bool splits_thoughts = true;      // they are told apart from the answer
};

// `chat_template_kwargs` and `reasoning_format`. Names that the template does not know are listed
// as ignored.
TemplateRequest read_template_request(Fields& fields, const ServedModel& model);
// `add_generation_prompt` and `continue_final_message`.
ChatEnd read_end(Fields& fields);

// Whether the model is to think, where nothing else was said and the template asks that. Whether
// there is such a variable.
bool set_thinking(bool thinks, const ServedModel& model, TemplateRequest& request);
// The member `name` of `fields`, how much is to be thought: "none", or a word of the template's.
void read_effort(Fields& fields, const char* name, const ServedModel& model,
                 TemplateRequest& request);

}  // namespace bitnetc::serve
