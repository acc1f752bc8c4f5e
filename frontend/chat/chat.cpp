#include "frontend/chat.h"

#include <algorithm>
#include <cctype>

#include "frontend/chat/prompt_end.h"
#include "frontend/chat/tools_in_texts.h"
#include "frontend/jinja/functions.h"
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
  if (!message.reasoning_content.empty())
    members.emplace_back(Value::string("reasoning_content"), typed(message.reasoning_content));
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

// What renders a template sets them, or would for other models.
constexpr std::string_view kOwnVariables[] = {"messages",
                                              "tools",
                                              "documents",
                                              "add_generation_prompt",
                                              "continue_final_message",
                                              "bos_token",
                                              "eos_token",
                                              "unk_token",
                                              "sep_token",
                                              "pad_token",
                                              "cls_token",
                                              "mask_token"};

}  // namespace

struct ChatTemplate::Impl {
  jinja::Template jinja_template;
  SpecialTokens special_tokens;
  std::string source;
  std::optional<ToolCallForm> form;  // nothing: tools are told of in texts
  bool knows_thinking = false;

  Result<Value> variables(std::span<const ChatMessage> messages, const ChatRendering& how) const;
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
      Impl{std::move(parsed), std::move(special_tokens), std::string(source), taught_form(source),
           source.find(kThinkTag) != source.npos || source.find(kThinkEndTag) != source.npos})));
}

ToolCallForm ChatTemplate::tool_call_form() const {
  return impl_->form.value_or(kFormOfTexts);
}

bool ChatTemplate::knows_thinking() const {
  return impl_->knows_thinking;
}

bool ChatTemplate::names(std::string_view variable) const {
  const std::string_view source = impl_->source;
  const auto is_part_of_name = [&](size_t at) {
    return at < source.size() &&
           (std::isalnum(static_cast<unsigned char>(source[at])) != 0 || source[at] == '_');
  };
  for (size_t at = source.find(variable); at != source.npos; at = source.find(variable, at + 1))
    if ((at == 0 || !is_part_of_name(at - 1)) && !is_part_of_name(at + variable.size()))
      return true;
  return false;
}

bool ChatTemplate::is_own_variable(std::string_view variable) const {
  return std::ranges::find(kOwnVariables, variable) != std::end(kOwnVariables) ||
         impl_->special_tokens.contains(std::string(variable)) ||
         jinja::find_function(variable).has_value();
}

// The variables that transformers gives: `tools` and `documents` are there and none.
Result<Value> ChatTemplate::Impl::variables(std::span<const ChatMessage> messages,
                                            const ChatRendering& how) const {
  std::vector<Value> message_values;
  for (const ChatMessage& message : messages) message_values.push_back(message_value(message));
  std::vector<std::pair<Value, Value>> all = {
      {Value::string("messages"), Value::list(std::move(message_values))},
      {Value::string("tools"), tools_value(how.tools)},
      {Value::string("documents"), Value()},
      {Value::string("add_generation_prompt"), Value::boolean(how.end == ChatEnd::kAnswerBegins)}};
  for (const auto& [name, text] : special_tokens)
    all.emplace_back(Value::string(name), Value::string(text));
  if (how.variables.empty()) return Value::dict(std::move(all));
  const auto more = jinja::from_json(jinja::from_utf8(how.variables, jinja::kMarked));
  if (!more || more->table() == nullptr)
    return make_error(StatusCode::kInvalidArgument,
                      "variables of the template: expected a JSON object");
  for (const auto& [name, value] : more->table()->entries())
    all.emplace_back(Value::string(jinja::to_utf8(*name.text())), value);
  return Value::dict(std::move(all));
}

Result<ChatPrompt> ChatTemplate::render(std::span<const ChatMessage> messages,
                                        const ChatRendering& how) const {
  const bool goes_on = how.end == ChatEnd::kWithinLastAnswer;
  std::vector<ChatMessage> told(messages.begin(), messages.end());
  if (goes_on) {
    BITNETC_RETURN_IF_ERROR(check_last_answer(messages));
    told.back().content += kEndOfContent;
  }
  ChatRendering its = how;
  if (!impl_->form) {
    told = tell_of_tools_in_texts(told, how.tools);
    its.tools = {};
  }
  BITNETC_ASSIGN_OR_RETURN(const Value variables, impl_->variables(told, its));
  BITNETC_ASSIGN_OR_RETURN(jinja::Rendering rendering,
                           impl_->jinja_template.render(variables, {.now = how.now}));
  ChatPrompt prompt{.text = std::move(rendering.text), .typed = {}};
  for (const jinja::Span& span : rendering.marked) prompt.typed.push_back({span.begin, span.end});
  if (goes_on) BITNETC_RETURN_IF_ERROR(cut_behind_content(prompt));
  if (impl_->knows_thinking)
    prompt.think = goes_on ? think_place_within(messages.back(), prompt) : think_place(prompt);
  return prompt;
}

std::optional<int32_t> ChatTemplate::end_of_answer(const Tokenizer& tokenizer) const {
  std::tm some_day = {};
  some_day.tm_year = 100;
  some_day.tm_mday = 1;
  const ChatMessage conversation[] = {{"user", "question"}, {"assistant", "answer"}};
  const Result<ChatPrompt> prompt =
      render(conversation, {.end = ChatEnd::kConversation, .now = some_day});
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
