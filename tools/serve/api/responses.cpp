// POST /v1/responses and /v1/responses/input_tokens. Nothing is kept between requests.
#include "tools/serve/api/conversation.h"
#include "tools/serve/api/responses_sink.h"
#include "tools/serve/api/surfaces.h"
#include "tools/serve/service.h"

namespace bitnetc::serve {
namespace {

// An item that is no message: a call, or what it gave.
std::optional<ChatMessage> read_call_item(Fields& fields, const Json& item, const std::string& type,
                                          const std::string& where) {
  if (type == "function_call") {
    const Json arguments = item.contains("arguments") ? item["arguments"] : Json("");
    return ChatMessage{
        .role = "assistant",
        .content = {},
        .tool_calls = {{.id = required_text(fields, item, where, "call_id"),
                        .name = required_text(fields, item, where, "name"),
                        .arguments = read_arguments(fields, arguments, where + ".arguments")}}};
  }
  if (type == "function_call_output") {
    const Json output = item.contains("output") ? item["output"] : Json(nullptr);
    return ChatMessage{.role = "tool",
                       .content = read_content(fields, output, where + ".output"),
                       .tool_call_id = required_text(fields, item, where, "call_id")};
  }
  fields.fail(unsupported_field(
      where + ".type",
      "expected message, reasoning, function_call or function_call_output, not '" + type + "'"));
  return std::nullopt;
}

// What was thought: the texts of an item's content. Summaries of it and what is encrypted are left
// out.
std::string read_reasoning_item(Fields& fields, const Json& item, const std::string& where) {
  std::string text;
  const auto content = item.find("content");
  if (content == item.end() || content->is_null()) return text;
  if (!content->is_array()) fields.fail_at(where + ".content", "expected a list of parts");
  for (size_t i = 0; content->is_array() && i < content->size(); ++i) {
    const std::string path = fmt::format("{}.content[{}]", where, i);
    if ((*content)[i].is_object())
      text += required_text(fields, (*content)[i], path, "text");
    else
      fields.fail_at(path, "expected a part of type reasoning_text");
  }
  return text;
}

// Makes messages of items: what was thought is part of the assistant's message behind it, and calls
// behind one another, or behind the text of the same answer, are one message.
class InputReader {
 public:
  explicit InputReader(Fields& fields) : fields_(fields) {}

  void read(const Json& item, const std::string& where) {
    if (!item.is_object()) return fields_.fail_at(where, "is no object");
    const auto type = item.contains("type") && item["type"].is_string()
                          ? item["type"].get<std::string>()
                          : std::string("message");
    if (type == "reasoning") {
      thoughts_ += read_reasoning_item(fields_, item, where);
    } else if (type == "message") {
      read_message(item, where);
    } else if (auto message = read_call_item(fields_, item, type, where)) {
      add(*std::move(message));
    }
  }
  std::vector<ChatMessage> take() { return std::move(messages_); }

 private:
  void read_message(const Json& item, const std::string& where) {
    if (!item.contains("role") || !item["role"].is_string())
      return fields_.fail_at(where + ".role", "is required and a text");
    auto role = item["role"].get<std::string>();
    if (role == "developer") role = "system";
    add({std::move(role),
         read_content(fields_, content_of(fields_, item, where), where + ".content")});
  }
  void add(ChatMessage message) {
    const bool is_assistant = message.role == "assistant";
    std::string thoughts = std::exchange(thoughts_, {});
    if (is_assistant && !message.tool_calls.empty() && thoughts.empty() && !messages_.empty() &&
        messages_.back().role == "assistant") {
      messages_.back().tool_calls.push_back(std::move(message.tool_calls[0]));
      return;
    }
    if (is_assistant) message.reasoning_content = std::move(thoughts);
    messages_.push_back(std::move(message));
  }

  Fields& fields_;
  std::vector<ChatMessage> messages_;
  std::string thoughts_;  // of the assistant's message that follows
};

std::vector<ChatMessage> read_input(Fields& fields) {
  const Json* input = fields.find("input");
  if (input == nullptr) {
    fields.fail_at("input", "is required");
    return {};
  }
  if (input->is_string()) return {{"user", input->get<std::string>()}};
  if (!input->is_array() || input->empty())
    fields.fail_at("input", "expected a text or a list of items");
  InputReader reader(fields);
  for (size_t i = 0; input->is_array() && i < input->size() && !fields.error(); ++i)
    reader.read((*input)[i], fmt::format("input[{}]", i));
  return reader.take();
}

void refuse_other_fields_of_responses(Fields& fields) {
  constexpr char kNothingKept[] = "nothing is kept between requests";
  fields.refuse("previous_response_id", kNothingKept);
  fields.refuse("conversation", kNothingKept);
  fields.refuse("prompt", kNothingKept);
  fields.refuse("background", kNothingKept, false);
  fields.refuse("truncation", "nothing is cut from a prompt", "disabled");
  fields.refuse("top_logprobs", "probabilities are told by chat and completions", 0);
  fields.accept_without_effect({"include", "store", "user", "service_tier", "prompt_cache_key",
                                "safety_identifier", "max_tool_calls"});
  fields.text("model");
}

// `text.format` of OpenAI, or what other servers know; its form as the answer repeats it.
std::optional<Constraint> read_text_format(Fields& fields, Json& format) {
  const Json* text = fields.find("text");
  std::optional<Constraint> constraint = read_constraint(fields);
  if (text == nullptr) return constraint;
  if (!text->is_object()) {
    fields.fail(bad_request("'text': expected an object", "text"));
    return std::nullopt;
  }
  const auto said = text->find("format");
  if (said == text->end() || said->is_null()) return constraint;
  format = *said;
  auto own = read_format(fields, *said, "text.format");
  if (own && constraint)
    fields.fail(bad_request(
        fmt::format("'text.format' and '{}': expected one form of the text", constraint->param),
        "text.format"));
  return own ? std::move(own) : std::move(constraint);
}

// {"effort"}; no summaries are written.
void read_reasoning(Fields& fields, const ServedModel& model, TemplateRequest& rendering,
                    Json& effort) {
  const Json* reasoning = fields.find("reasoning");
  if (reasoning == nullptr) return;
  if (!reasoning->is_object()) return fields.fail_at("reasoning", "expected an object");
  Fields inner(*reasoning, "reasoning.");
  read_effort(inner, "effort", model, rendering);
  if (inner.error()) return fields.fail(*inner.error());
  effort = reasoning->contains("effort") ? (*reasoning)["effort"] : Json(nullptr);
  for (std::string& path : inner.ignored()) fields.note_without_effect(std::move(path));
}

Conversation read_conversation_of_responses(Fields& fields, const ServedModel& model,
                                            ResponsesRequest& request) {
  Conversation conversation{.messages = read_input(fields),
                            .tools = read_tools(fields, ToolStyle::kResponses),
                            .constraint = read_text_format(fields, request.format),
                            .rendering = read_template_request(fields, model)};
  read_reasoning(fields, model, conversation.rendering, request.effort);
  if (const auto said = fields.text("instructions")) {
    conversation.messages.insert(conversation.messages.begin(), {"system", *said});
    request.instructions = *said;
  }
  return conversation;
}

}  // namespace

void handle_responses(const ExchangePtr& exchange) {
  const ServedModel& model = exchange->service().model();
  auto body = parse_object(exchange->request().body);
  if (!body.ok()) return exchange->send_error(body.error());
  Fields fields(*body);
  ResponsesRequest request;
  read_generation(fields, model, {"max_output_tokens"}, request.params);
  read_streaming(fields, request.params);
  refuse_other_fields_of_responses(fields);
  if (const Json* metadata = fields.find("metadata")) request.metadata = *metadata;
  const Conversation conversation = read_conversation_of_responses(fields, model, request);
  request.tools = conversation.tools;
  if (fields.error()) return exchange->send_error(*fields.error());
  auto plan = make_plan(conversation, request.params, model, "input");
  if (!plan.ok()) return exchange->send_error(plan.error());
  request.syntax = plan->syntax;
  exchange->set_ignored(fields.ignored());
  auto sink = std::make_unique<ResponsesSink>(exchange, std::move(request));
  start_generation(exchange, std::move(plan->generation), std::move(sink));
}

void handle_input_tokens(const ExchangePtr& exchange) {
  auto body = parse_object(exchange->request().body);
  if (!body.ok()) return exchange->send_error(body.error());
  Fields fields(*body);
  refuse_other_fields_of_responses(fields);
  ResponsesRequest request;
  const ServedModel& model = exchange->service().model();
  const Conversation conversation = read_conversation_of_responses(fields, model, request);
  if (fields.error()) return exchange->send_error(*fields.error());
  auto chat =
      render_chat(model, conversation.messages, conversation.rendering, conversation.tools.offered);
  if (!chat.ok()) return exchange->send_error(chat.error());
  exchange->set_ignored(fields.ignored());
  exchange->send_json({{"object", "response.input_tokens"}, {"input_tokens", chat->ids.size()}});
}

}  // namespace bitnetc::serve
