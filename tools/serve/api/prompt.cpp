#include "tools/serve/api/prompt.h"

#include "tools/engine/chat_request.h"
#include "tools/serve/api/tools.h"

namespace bitnetc::serve {
namespace {

// Nothing: not all of them are ids of the vocabulary.
std::optional<std::vector<int32_t>> read_ids(const Json& list, const ServedModel& model) {
  std::vector<int32_t> ids;
  ids.reserve(list.size());
  for (const Json& each : list) {
    if (!each.is_number_integer()) return std::nullopt;
    const auto id = each.get<int64_t>();
    if (id < 0 || id >= model.config.vocab_size) return std::nullopt;
    ids.push_back(static_cast<int32_t>(id));
  }
  return ids;
}

std::optional<RawPrompt> read_one(const Json& value, const ServedModel& model) {
  if (value.is_string()) return RawPrompt{.text = value.get<std::string>()};
  if (!value.is_array()) return std::nullopt;
  auto ids = read_ids(value, model);
  if (!ids) return std::nullopt;
  return RawPrompt{.ids = *std::move(ids)};
}

}  // namespace

std::vector<RawPrompt> read_raw_prompts(Fields& fields, const char* name,
                                        const ServedModel& model) {
  const Json* value = fields.find(name);
  const auto refuse = [&](const std::string& what) {
    fields.fail_at(name, what);
    return std::vector<RawPrompt>();
  };
  if (value == nullptr) return refuse("is required");
  const bool is_list = value->is_array() && !value->empty() && !value->front().is_number();
  if (!is_list) {
    auto one = read_one(*value, model);
    if (!one)
      return refuse(
          fmt::format("expected a text, texts, token ids (0 to {}) or lists of "
                      "them",
                      model.config.vocab_size - 1));
    return {*std::move(one)};
  }
  if (value->size() > kMostPrompts) return refuse(fmt::format("more than {}", kMostPrompts));
  std::vector<RawPrompt> prompts;
  for (const Json& each : *value) {
    auto one = read_one(each, model);
    if (!one)
      return refuse(fmt::format("entry {} is no text and no list of token ids (0 to {})",
                                prompts.size(), model.config.vocab_size - 1));
    prompts.push_back(*std::move(one));
  }
  return prompts;
}

std::vector<TextPrompt> read_prompts(Fields& fields, const char* name, const ServedModel& model,
                                     bool add_special) {
  std::vector<TextPrompt> prompts;
  for (RawPrompt& raw : read_raw_prompts(fields, name, model)) {
    TextPrompt prompt;
    if (raw.text) {
      auto ids = model.tokenizer->encode(*raw.text, /*add_special=*/false);
      if (!ids.ok()) fields.fail(error_of(ids.status(), name));
      if (!ids.ok()) return {};
      const auto prefix = model.tokenizer->prefix();
      if (add_special) prompt.ids.assign(prefix.begin(), prefix.end());
      prompt.added = prompt.ids.size();
      prompt.ids.insert(prompt.ids.end(), ids->begin(), ids->end());
      prompt.text = *std::move(raw.text);
    } else {
      prompt.ids = std::move(raw.ids);
      prompt.text = model.tokenizer->decode(prompt.ids, /*skip_special=*/false).value();
    }
    if (prompt.ids.empty()) fields.fail_at(name, "a prompt without tokens");
    prompts.push_back(std::move(prompt));
  }
  return prompts;
}

std::string read_part(Fields& fields, const Json& part, const std::string& path) {
  const auto refuse = [&](const std::string& what, const std::string& where) {
    fields.fail_at(where, what);
    return std::string();
  };
  if (part.is_string()) return part.get<std::string>();
  if (!part.is_object() || !part.contains("type") || !part["type"].is_string())
    return refuse("a part needs a type", path);
  const auto type = part["type"].get<std::string>();
  const bool is_text = type == "text" || type == "input_text" || type == "output_text";
  if (!is_text)
    return refuse("this model reads text; parts of type '" + type + "' are not supported",
                  path + ".type");
  if (!part.contains("text") || !part["text"].is_string())
    return refuse("a part of type text needs a text", path + ".text");
  return part["text"].get<std::string>();
}

std::string required_text(Fields& fields, const Json& object, const std::string& path,
                          const char* name) {
  if (object.contains(name) && object[name].is_string()) return object[name].get<std::string>();
  fields.fail_at(path + "." + name, "is required and a text");
  return {};
}

std::string read_content(Fields& fields, const Json& content, const std::string& path) {
  if (content.is_null()) return {};
  if (content.is_string()) return content.get<std::string>();
  if (!content.is_array()) {
    fields.fail_at(path, "expected a text or a list of parts");
    return {};
  }
  std::string text;
  for (size_t i = 0; i < content.size(); ++i)
    text += read_part(fields, content[i], fmt::format("{}[{}]", path, i));
  return text;
}

const Json& content_of(Fields& fields, const Json& message, const std::string& path) {
  static const Json nothing;
  const auto found = message.find("content");
  if (found != message.end()) return *found;
  // An assistant that only called tools has said nothing.
  if (message.value("role", Json()) != "assistant")
    fields.fail_at(path + ".content", "is required: a text or a list of parts");
  return nothing;
}

void for_each_message(Fields& fields, const char* name, const MessageReader& read) {
  const Json* list = fields.find(name);
  const auto refuse = [&](const std::string& what, const std::string& where) {
    fields.fail_at(where, what);
  };
  if (list == nullptr) return refuse("is required", name);
  if (!list->is_array() || list->empty())
    return refuse("expected a list of at least one message", name);
  for (size_t i = 0; i < list->size() && !fields.error(); ++i) {
    const Json& each = (*list)[i];
    const std::string where = fmt::format("{}[{}]", name, i);
    if (!each.is_object()) return refuse("is no object", where);
    if (!each.contains("role") || !each["role"].is_string())
      return refuse("is required and a text", where + ".role");
    auto role = each["role"].get<std::string>();
    read(each, role == "developer" ? "system" : std::move(role), where);
  }
}

std::vector<ChatMessage> read_messages(Fields& fields) {
  std::vector<ChatMessage> messages;
  for_each_message(
      fields, "messages", [&](const Json& each, std::string role, const std::string& where) {
        const auto is_there = [&](const char* name) {
          return each.contains(name) && !each[name].is_null() && !each[name].empty();
        };
        if (is_there("function_call"))
          fields.fail(unsupported_field(where + ".function_call", "expected tool_calls"));
        if (role == "function")
          fields.fail(unsupported_field(where + ".role", "expected the role tool"));
        ChatMessage message{
            .role = std::move(role),
            .content = read_content(fields, content_of(fields, each, where), where + ".content")};
        if (is_there("reasoning_content") && message.role == "assistant")
          message.reasoning_content = required_text(fields, each, where, "reasoning_content");
        if (is_there("tool_calls"))
          message.tool_calls = read_tool_calls(fields, each["tool_calls"], where + ".tool_calls");
        if (is_there("tool_call_id") && each["tool_call_id"].is_string())
          message.tool_call_id = each["tool_call_id"].get<std::string>();
        if (message.role == "tool" && is_there("name") && each["name"].is_string())
          message.name = each["name"].get<std::string>();
        messages.push_back(std::move(message));
      });
  return messages;
}

Checked<ChatIds> render_chat(const ServedModel& model, const std::vector<ChatMessage>& messages,
                             const TemplateRequest& request, std::span<const ChatTool> tools) {
  if (!model.writes_text())
    return bad_request("the model is a text encoder, which answers /v1/embeddings", "model",
                       "text_encoder");
  if (model.chat_template == nullptr)
    return bad_request(
        "the model has no chat template; use /v1/completions, or serve it with --chat-template",
        "messages", "no_chat_template");
  const std::string variables = request.variables.empty() ? "" : dump(request.variables);
  const auto prompt = model.chat_template->render(
      messages, {.end = request.end, .now = local_time(), .tools = tools, .variables = variables});
  // A limit of the template's, too, is met by what the client sent.
  if (!prompt.ok()) return bad_request(prompt.status().message(), "messages", "template_failed");
  auto ids = encode_chat(*model.tokenizer, *prompt);
  if (!ids.ok()) return error_of(ids.status(), "messages");
  return ChatIds{.text = prompt->text,
                 .ids = *std::move(ids),
                 .think = request.splits_thoughts ? prompt->think : ThinkPlace::kNone};
}

}  // namespace bitnetc::serve
