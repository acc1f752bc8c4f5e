#include "frontend/chat.h"

#include <algorithm>

#include "frontend/jinja/jinja.h"

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

Value message_value(const ChatMessage& message) {
  return Value::dict({{Value::string("role"), role_value(message.role)},
                      {Value::string("content"), Value::string(message.content, jinja::kMarked)}});
}

}  // namespace

struct ChatTemplate::Impl {
  jinja::Template jinja_template;
  SpecialTokens special_tokens;
};

ChatTemplate::ChatTemplate(std::unique_ptr<const Impl> impl) : impl_(std::move(impl)) {}
ChatTemplate::~ChatTemplate() = default;

Result<std::unique_ptr<const ChatTemplate>> ChatTemplate::create(std::string_view source,
                                                                 const std::string& origin,
                                                                 SpecialTokens special_tokens) {
  if (source.empty())
    return make_error(StatusCode::kNotFound, "{}: there is no chat template", origin);
  BITNETC_ASSIGN_OR_RETURN(jinja::Template parsed, jinja::Template::parse(source, origin));
  return std::unique_ptr<const ChatTemplate>(new ChatTemplate(
      std::make_unique<const Impl>(Impl{std::move(parsed), std::move(special_tokens)})));
}

// The variables that transformers gives: `tools` and `documents` are there and none.
Result<ChatPrompt> ChatTemplate::render(std::span<const ChatMessage> messages,
                                        bool add_generation_prompt, const std::tm& now) const {
  std::vector<Value> message_values;
  for (const ChatMessage& message : messages) message_values.push_back(message_value(message));
  std::vector<std::pair<Value, Value>> variables = {
      {Value::string("messages"), Value::list(std::move(message_values))},
      {Value::string("tools"), Value()},
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
