#include "frontend/chat.h"

#include <algorithm>

#include "frontend/chat/tools_in_texts.h"
#include "frontend/jinja/jinja.h"
#include "frontend/jinja/json_text.h"

namespace bitnetc {
namespace {

using jinja::Value;

// Roles that templates put inside special tokens ("<|" + role + "|>"): as the program's own words
// they are not typed. Any other role is.
constexpr std::string_view kOwnRoles[] = {"system", "user",      "assistant", "tool",
                                          "model",  "developer", "function",  "ipython"};

Value role_value(const std::string& role) {
  const bool is_own =
      std::find(std::begin(kOwnRoles), std::end(kOwnRoles), role) != std::end(kOwnRoles);
  return Value::string(role, is_own ? 0 : jinja::kMarked);
}

Value typed(const std::string& text) {
  return Value::string(text, jinja::kMarked);
}

// A JSON document whose strings were typed; nothing but a text where it is no JSON.
Value typed_json(const std::string& json) {
  return jinja::from_json(jinja::from_utf8(json, jinja::kMarked)).value_or(typed(json));
}

// As transformers documents it: {"id", "type", "function": {"name", "arguments"}}.
Value call_value(const ToolCall& call) {
  std::vector<std::pair<Value, Value>> members;
  if (!call.id.empty()) members.emplace_back(Value::string("id"), typed(call.id));
  members.emplace_back(Value::string("type"), Value::string("function"));
  members.emplace_back(Value::string("function"),
                       Value::dict({{Value::string("name"), typed(call.name)},
                                    {Value::string("arguments"), typed_json(call.arguments)}}));
  return Value::dict(std::move(members));
}

Value message_value(const ChatMessage& message) {
  std::vector<std::pair<Value, Value>> members = {
      {Value::string("role"), role_value(message.role)},
      {Value::string("content"), typed(message.content)}};
  if (!message.tool_calls.empty()) {
    std::vector<Value> calls;
    for (const ToolCall& each : message.tool_calls) calls.push_back(call_value(each));
    members.emplace_back(Value::string("tool_calls"), Value::list(std::move(calls)));
  }
  if (!message.tool_call_id.empty())
    members.emplace_back(Value::string("tool_call_id"), typed(message.tool_call_id));
  if (!message.name.empty()) members.emplace_back(Value::string("name"), typed(message.name));
  return Value::dict(std::move(members));
}

Value tools_value(std::span<const ChatTool> tools) {
  if (tools.empty()) return {};
  std::vector<Value> values;
  for (const ChatTool& each : tools) values.push_back(typed_json(each.json));
  return Value::list(std::move(values));
}

// What a template teaches of calls; nothing: it does not know of tools, or teaches another form.
std::optional<ToolCallForm> taught_form(std::string_view source) {
  const auto has = [&](std::string_view text) { return source.find(text) != source.npos; };
  if (!has("tools") || has("<function=")) return std::nullopt;
  if (has(kToolCallTag))
    return has("<tool_call>\\n[") || has("<tool_call>\n[") ? ToolCallForm::kTaggedList
                                                           : ToolCallForm::kTagged;
  if (has("\"parameters\"")) return ToolCallForm::kBareJson;
  return std::nullopt;
}

}  // namespace

struct ChatTemplate::Impl {
  jinja::Template jinja_template;
  SpecialTokens special_tokens;
  std::optional<ToolCallForm> form;  // nothing: tools are told of in texts
};

ChatTemplate::ChatTemplate(std::unique_ptr<const Impl> impl) : impl_(std::move(impl)) {}
ChatTemplate::~ChatTemplate() = default;

Result<std::unique_ptr<const ChatTemplate>> ChatTemplate::create(std::string_view source,
                                                                 const std::string& origin,
                                                                 SpecialTokens special_tokens) {
  if (source.empty())
    return make_error(StatusCode::kNotFound, "{}: there is no chat template", origin);
  BITNETC_ASSIGN_OR_RETURN(jinja::Template parsed, jinja::Template::parse(source, origin));
  return std::unique_ptr<const ChatTemplate>(new ChatTemplate(std::make_unique<const Impl>(
      Impl{std::move(parsed), std::move(special_tokens), taught_form(source)})));
}

ToolCallForm ChatTemplate::tool_call_form() const {
  return impl_->form.value_or(kFormOfTexts);
}

// The variables that transformers gives: `tools` and `documents` are there and none.
Result<ChatPrompt> ChatTemplate::render(std::span<const ChatMessage> messages,
                                        bool add_generation_prompt, const std::tm& now,
                                        std::span<const ChatTool> tools) const {
  std::vector<ChatMessage> told;
  if (!impl_->form) {
    told = tell_of_tools_in_texts(messages, tools);
    messages = told;
    tools = {};
  }
  std::vector<Value> message_values;
  for (const ChatMessage& message : messages) message_values.push_back(message_value(message));
  std::vector<std::pair<Value, Value>> variables = {
      {Value::string("messages"), Value::list(std::move(message_values))},
      {Value::string("tools"), tools_value(tools)},
      {Value::string("documents"), Value()},
      {Value::string("add_generation_prompt"), Value::boolean(add_generation_prompt)}};
  for (const auto& [name, text] : impl_->special_tokens)
    variables.emplace_back(Value::string(name), Value::string(text));
  BITNETC_ASSIGN_OR_RETURN(
      jinja::Rendering rendering,
      impl_->jinja_template.render(Value::dict(std::move(variables)), {.now = now}));
  ChatPrompt prompt{.text = std::move(rendering.text), .typed = {}};
  for (const jinja::Span& span : rendering.marked) prompt.typed.push_back({span.begin, span.end});
  return prompt;
}

std::optional<int32_t> ChatTemplate::end_of_answer(const Tokenizer& tokenizer) const {
  std::tm some_day = {};
  some_day.tm_year = 100;
  some_day.tm_mday = 1;
  const ChatMessage conversation[] = {{"user", "question"}, {"assistant", "answer"}};
  const Result<ChatPrompt> prompt = render(conversation, /*add_generation_prompt=*/false, some_day);
  if (!prompt.ok() || prompt->typed.empty()) return std::nullopt;
  const TextSpan& answer = prompt->typed.back();
  const std::string_view text = prompt->text;
  if (text.substr(answer.begin, answer.end - answer.begin) != "answer") return std::nullopt;
  const auto ids = tokenizer.encode(text.substr(answer.end), /*add_special=*/false);
  if (!ids.ok()) return std::nullopt;
  const auto end =
      std::find_if(ids->begin(), ids->end(), [&](int32_t id) { return tokenizer.is_special(id); });
  return end == ids->end() ? std::nullopt : std::optional<int32_t>(*end);
}

Result<std::vector<int32_t>> encode_chat(const Tokenizer& tokenizer, const ChatPrompt& prompt) {
  BITNETC_ASSIGN_OR_RETURN(
      std::vector<int32_t> ids,
      tokenizer.encode_typed(prompt.text, prompt.typed, /*add_special=*/false));
  const std::span<const int32_t> prefix = tokenizer.prefix();
  const bool has_prefix =
      ids.size() >= prefix.size() && std::equal(prefix.begin(), prefix.end(), ids.begin());
  if (!has_prefix) ids.insert(ids.begin(), prefix.begin(), prefix.end());
  return ids;
}

}  // namespace bitnetc
