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
      "expected message, function_call or function_call_output, not '" + type + "'"));
  return std::nullopt;
}

std::vector<ChatMessage> read_input(Fields& fields) {
  const Json* input = fields.find("input");
  const auto refuse = [&](const std::string& what, const std::string& where) {
    fields.fail_at(where, what);
    return std::vector<ChatMessage>();
  };
  if (input == nullptr) return refuse("is required", "input");
  if (input->is_string()) return {{"user", input->get<std::string>()}};
  if (!input->is_array() || input->empty())
    return refuse("expected a text or a list of items", "input");
  std::vector<ChatMessage> messages;
  for (size_t i = 0; i < input->size() && !fields.error(); ++i) {
    const Json& item = (*input)[i];
    const std::string where = fmt::format("input[{}]", i);
    if (!item.is_object()) return refuse("is no object", where);
    const auto type = item.contains("type") && item["type"].is_string()
                          ? item["type"].get<std::string>()
                          : std::string("message");
    if (type != "message") {
      auto message = read_call_item(fields, item, type, where);
      if (!message) break;
      // Calls behind one another, and behind the text of the same answer, are one message.
      if (message->role == "assistant" && !messages.empty() && messages.back().role == "assistant")
        messages.back().tool_calls.push_back(message->tool_calls[0]);
      else
        messages.push_back(*std::move(message));
      continue;
    }
    if (!item.contains("role") || !item["role"].is_string())
      return refuse("is required and a text", where + ".role");
    auto role = item["role"].get<std::string>();
    if (role == "developer") role = "system";
    const Json content = item.contains("content") ? item["content"] : Json(nullptr);
    messages.push_back({std::move(role), read_content(fields, content, where + ".content")});
  }
  return messages;
}

void refuse_other_fields_of_responses(Fields& fields) {
  constexpr char kNothingKept[] = "nothing is kept between requests";
  fields.refuse("previous_response_id", kNothingKept);
  fields.refuse("conversation", kNothingKept);
  fields.refuse("prompt", kNothingKept);
  fields.refuse("background", kNothingKept, false);
  fields.refuse("truncation", "nothing is cut from a prompt", "disabled");
  fields.refuse("top_logprobs", "probabilities are told by chat and completions", 0);
  fields.accept_without_effect({"include", "reasoning", "store", "user", "service_tier",
                                "prompt_cache_key", "safety_identifier", "max_tool_calls"});
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

Conversation read_conversation_of_responses(Fields& fields, ResponsesRequest& request) {
  Conversation conversation{.messages = read_input(fields),
                            .tools = read_tools(fields, ToolStyle::kResponses),
                            .constraint = read_text_format(fields, request.format)};
  if (const auto said = fields.text("instructions")) {
    conversation.messages.insert(conversation.messages.begin(), {"system", *said});
    request.instructions = *said;
  }
  return conversation;
}

}  // namespace

void handle_responses(ExchangePtr exchange) {
  const ServedModel& model = exchange->service().model();
  auto body = parse_object(exchange->request().body);
  if (!body.ok()) return exchange->send_error(body.error());
  Fields fields(*body);
  ResponsesRequest request;
  read_generation(fields, model, {"max_output_tokens"}, request.params);
  read_streaming(fields, request.params);
  refuse_other_fields_of_responses(fields);
  if (const Json* metadata = fields.find("metadata")) request.metadata = *metadata;
  const Conversation conversation = read_conversation_of_responses(fields, request);
  request.tools = conversation.tools;
  request.call_form = conversation.call_form(model);
  if (fields.error()) return exchange->send_error(*fields.error());
  auto plan = make_plan(conversation, request.params, model, "input");
  if (!plan.ok()) return exchange->send_error(plan.error());
  exchange->set_ignored(fields.ignored());
  auto sink = std::make_unique<ResponsesSink>(exchange, std::move(request));
  start_generation(std::move(exchange), *std::move(plan), std::move(sink));
}

void handle_input_tokens(ExchangePtr exchange) {
  auto body = parse_object(exchange->request().body);
  if (!body.ok()) return exchange->send_error(body.error());
  Fields fields(*body);
  refuse_other_fields_of_responses(fields);
  ResponsesRequest request;
  const Conversation conversation = read_conversation_of_responses(fields, request);
  if (fields.error()) return exchange->send_error(*fields.error());
  auto chat = render_chat(exchange->service().model(), conversation.messages,
                          /*add_generation_prompt=*/true, conversation.tools.offered);
  if (!chat.ok()) return exchange->send_error(chat.error());
  exchange->set_ignored(fields.ignored());
  exchange->send_json({{"object", "response.input_tokens"}, {"input_tokens", chat->ids.size()}});
}

}  // namespace bitnetc::serve
