// POST /v1/messages and /v1/messages/count_tokens, as Anthropic's clients ask.
#include <limits>

#include "tools/serve/api/conversation.h"
#include "tools/serve/api/messages_sink.h"
#include "tools/serve/api/surfaces.h"
#include "tools/serve/service.h"

namespace bitnetc::serve {
namespace {

void refuse_other_fields(Fields& fields) {
  for (const char* name :
       {"response_format", "grammar", "json_schema", "structured_outputs", "regex", "ebnf",
        "guided_json", "guided_regex", "guided_grammar", "guided_choice"})
    fields.refuse(name, "expected 'output_config'");
  fields.refuse("mcp_servers", "the server opens no connections", Json::array());
  fields.refuse("container", "there are no containers here");
  fields.accept_without_effect({"metadata", "service_tier", "cache_control", "context_management"});
  fields.text("model");
}

// The format of the text: {"output_config": {"format"}}, or "output_format" of older clients.
std::optional<Constraint> read_output_config(Fields& fields) {
  const Json* older = fields.find("output_format");
  const Json* config = fields.find("output_config");
  if (config == nullptr) return older ? read_format(fields, *older, "output_format") : std::nullopt;
  if (older != nullptr)
    fields.fail(
        bad_request("'output_format': expected one of it and 'output_config'", "output_format"));
  if (!config->is_object()) {
    fields.fail(bad_request("'output_config': expected an object", "output_config"));
    return std::nullopt;
  }
  Fields inner(*config, "output_config.");
  inner.find("effort");
  const Json* format = inner.find("format");
  for (const std::string& name : inner.ignored())
    fields.fail(unsupported_field(name, "expected format"));
  return format ? read_format(fields, *format, "output_config.format") : std::nullopt;
}

// Blocks of a message: an assistant's may use tools, a user's may be their results, which are
// messages of their own in front of the user's text.
void read_blocks(Fields& fields, const Json& blocks, const std::string& path, ChatMessage& message,
                 std::vector<ChatMessage>& results) {
  for (size_t i = 0; i < blocks.size() && !fields.error(); ++i) {
    const Json& block = blocks[i];
    const std::string where = fmt::format("{}[{}]", path, i);
    const std::string type =
        block.is_object() && block.contains("type") && block["type"].is_string()
            ? block["type"].get<std::string>()
            : std::string();
    if (message.role == "assistant" && type == "thinking") {
      message.reasoning_content += required_text(fields, block, where, "thinking");
    } else if (message.role == "assistant" && type == "redacted_thinking") {
      continue;  // by another model: nobody here can read it
    } else if (type == "tool_use") {
      const Json input = block.contains("input") ? block["input"] : Json::object();
      message.tool_calls.push_back({.id = required_text(fields, block, where, "id"),
                                    .name = required_text(fields, block, where, "name"),
                                    .arguments = read_arguments(fields, input, where + ".input")});
    } else if (type == "tool_result") {
      const Json content = block.contains("content") ? block["content"] : Json(nullptr);
      results.push_back({.role = "tool",
                         .content = read_content(fields, content, where + ".content"),
                         .tool_call_id = required_text(fields, block, where, "tool_use_id")});
    } else {
      message.content += read_part(fields, block, where);
    }
  }
}

// Claude Code begins its system prompt with a line for its maker's accounts that differs from
// request to request: with it no prompt would begin like another one.
Json without_billing(Json system) {
  constexpr std::string_view kLine = "x-anthropic-billing-header:";
  Json* first = &system;
  if (system.is_array() && !system.empty() && system[0].is_object() && system[0].contains("text"))
    first = &system[0]["text"];
  if (!first->is_string()) return system;
  auto& text = first->get_ref<std::string&>();
  if (text.starts_with(kLine)) text.erase(0, std::min(text.find('\n'), text.size() - 1) + 1);
  return system;
}

std::vector<ChatMessage> read_messages_of_blocks(Fields& fields) {
  std::vector<ChatMessage> messages;
  if (const Json* system = fields.find("system"))
    messages.push_back({"system", read_content(fields, without_billing(*system), "system")});
  for_each_message(
      fields, "messages", [&](const Json& each, std::string role, const std::string& where) {
        ChatMessage message{.role = std::move(role), .content = {}};
        const Json& content = content_of(fields, each, where);
        const std::string path = where + ".content";
        const size_t before = messages.size();
        if (content.is_array())
          read_blocks(fields, content, path, message, messages);
        else
          message.content = read_content(fields, content, path);
        const bool is_result_alone =
            messages.size() > before && message.content.empty() && message.tool_calls.empty();
        if (!is_result_alone) messages.push_back(std::move(message));
      });
  return messages;
}

// {"type": "enabled", "budget_tokens"}, {"type": "disabled"}, or {"type": "adaptive"}: as the
// template has it.
void read_thinking(Fields& fields, const ServedModel& model, TemplateRequest& request) {
  const Json* thinking = fields.find("thinking");
  if (thinking == nullptr) return;
  if (!thinking->is_object()) return fields.fail_at("thinking", "expected an object");
  Fields inner(*thinking, "thinking.");
  const std::string type = inner.text("type").value_or("");
  inner.integer("budget_tokens", 1, std::numeric_limits<int32_t>::max());
  inner.accept_without_effect({"budget_tokens"});
  if (type == "disabled") {
    set_thinking(false, model, request);
  } else if (type == "enabled") {
    if (model.chat_template != nullptr && !model.chat_template->knows_thinking())
      inner.accept_without_effect({"type"});
    set_thinking(true, model, request);
  } else if (type != "adaptive") {
    inner.fail_at("thinking.type", "expected enabled, disabled or adaptive");
  }
  if (inner.error()) return fields.fail(*inner.error());
  for (std::string& path : inner.ignored()) fields.note_without_effect(std::move(path));
}

Conversation read_conversation_of_messages(Fields& fields, const ServedModel& model) {
  Conversation conversation{.messages = read_messages_of_blocks(fields),
                            .tools = read_tools(fields, ToolStyle::kMessages),
                            .constraint = read_output_config(fields),
                            .rendering = read_template_request(fields, model)};
  read_thinking(fields, model, conversation.rendering);
  const std::vector<ChatMessage>& messages = conversation.messages;
  if (!messages.empty() && messages.back().role == "assistant" &&
      messages.back().tool_calls.empty())
    conversation.rendering.end = ChatEnd::kWithinLastAnswer;
  return conversation;
}

}  // namespace

void handle_messages(const ExchangePtr& exchange) {
  const ServedModel& model = exchange->service().model();
  auto body = parse_object(exchange->request().body);
  if (!body.ok()) return exchange->send_error(body.error());
  Fields fields(*body);
  GenerationParams params;
  read_generation(fields, model, {"max_tokens"}, params);
  if (!params.most_tokens)
    fields.fail(bad_request("'max_tokens': is required, 0 or more", "max_tokens"));
  read_streaming(fields, params);
  params.stops = fields.texts("stop_sequences", kMostStops, kMostStopBytes);
  refuse_other_fields(fields);
  const Conversation conversation = read_conversation_of_messages(fields, model);
  if (fields.error()) return exchange->send_error(*fields.error());
  auto plan = make_plan(conversation, params, model, "messages");
  if (!plan.ok()) return exchange->send_error(plan.error());
  exchange->set_ignored(fields.ignored());
  auto sink = std::make_unique<MessagesSink>(exchange, params,
                                             std::ssize(plan->generation.prompts[0]), plan->syntax);
  start_generation(exchange, std::move(plan->generation), std::move(sink));
}

void handle_count_tokens(const ExchangePtr& exchange) {
  auto body = parse_object(exchange->request().body);
  if (!body.ok()) return exchange->send_error(body.error());
  Fields fields(*body);
  refuse_other_fields(fields);
  const ServedModel& model = exchange->service().model();
  const Conversation conversation = read_conversation_of_messages(fields, model);
  if (fields.error()) return exchange->send_error(*fields.error());
  auto chat =
      render_chat(model, conversation.messages, conversation.rendering, conversation.tools.offered);
  if (!chat.ok()) return exchange->send_error(chat.error());
  exchange->set_ignored(fields.ignored());
  exchange->send_json({{"input_tokens", chat->ids.size()}});
}

}  // namespace bitnetc::serve
