// Prompts of requests as token ids.
#pragma once

#include <cstdint>
#include <functional>
#include <span>
#include <string>
#include <vector>

#include "frontend/chat.h"
#include "tools/serve/api/fields.h"
#include "tools/serve/api/template_request.h"
#include "tools/serve/engine/served_model.h"

namespace bitnetc::serve {

inline constexpr size_t kMostPrompts = 2048;  // of one request

struct TextPrompt {
  std::vector<int32_t> ids;
  size_t added = 0;  // ids in front that the request does not have
  std::string text;  // of the rest
};

// "prompt" or "input": a text, texts, ids, or lists of ids. Ids are taken as they are; before a
// text stands what the tokenizer puts there, unless `add_special` is false.
std::vector<TextPrompt> read_prompts(Fields& fields, const char* name, const ServedModel& model,
                                     bool add_special);
// The same before a text is made ids.
struct RawPrompt {
  std::optional<std::string> text;  // nothing: ids
  std::vector<int32_t> ids;
};
std::vector<RawPrompt> read_raw_prompts(Fields& fields, const char* name, const ServedModel& model);

// "messages" of chat: role, content, what was thought before it, calls of tools and what they
// answered; content is a text, null or parts of type "text". Names of other roles are the
// template's to refuse; "developer" is "system".
std::vector<ChatMessage> read_messages(Fields& fields);
// The objects of a list of at least one message, each with a role; `read` is told of each, of its
// role and of its place. Nothing more once `fields` has an error.
using MessageReader =
    std::function<void(const Json& message, std::string role, const std::string& path)>;
void for_each_message(Fields& fields, const char* name, const MessageReader& read);
// A content as those of messages. `path`: for errors.
std::string read_content(Fields& fields, const Json& content, const std::string& path);
// The content of a message at `path`, null where an assistant has none; an error where another role
// has none.
const Json& content_of(Fields& fields, const Json& message, const std::string& path);
std::string read_part(Fields& fields, const Json& part, const std::string& path);
// A member of an object at `path` that has to be there.
std::string required_text(Fields& fields, const Json& object, const std::string& path,
                          const char* name);

struct ChatIds {
  std::string text;  // as rendered
  std::vector<int32_t> ids;
  ThinkPlace think = ThinkPlace::kNone;  // where the text behind it begins
};
// In the model's template. Error: 400 where there is none or it refuses the messages.
Checked<ChatIds> render_chat(const ServedModel& model, const std::vector<ChatMessage>& messages,
                             const TemplateRequest& request, std::span<const ChatTool> tools = {});

}  // namespace bitnetc::serve
