// POST /v1/messages and /v1/messages/count_tokens, as Anthropic's clients ask.
#include "tools/serve/api/generation.h"
#include "tools/serve/api/prompt.h"
#include "tools/serve/api/surfaces.h"
#include "tools/serve/service.h"

namespace bitnetc::serve {
namespace {

struct MessagesRequest {
  GenerationParams params;
  std::vector<int32_t> prompt;
};

Json message_usage(const TokenTotals& tokens) {
  return {{"input_tokens", tokens.prompt - tokens.cached},
          {"cache_creation_input_tokens", 0},
          {"cache_read_input_tokens", tokens.cached},
          {"output_tokens", tokens.text}};
}

class MessagesSink final : public AnswerSink {
 public:
  MessagesSink(ExchangePtr exchange, const MessagesRequest& request)
      : exchange_(std::move(exchange)),
        streams_(request.params.stream),
        prompt_tokens_(std::ssize(request.prompt)),
        id_(fresh_id("msg_")) {}

  void begin() override {
    if (!streams_) return;
    has_begun_ = true;
    exchange_->begin_stream();
    event("message_start",
          {{"message", message(Json::array(), nullptr, {.prompt = prompt_tokens_})}});
    event("content_block_start",
          {{"index", 0}, {"content_block", {{"type", "text"}, {"text", ""}}}});
  }

  void piece(int, Piece piece, const TokenTotals&) override {
    if (piece.text.empty()) return;
    if (streams_)
      event("content_block_delta",
            {{"index", 0}, {"delta", {{"type", "text_delta"}, {"text", piece.text}}}});
    else
      text_ += piece.text;
  }

  void end_choice(int, const ChoiceEnd& end, const TokenTotals&) override {
    stop_ = {{"stop_reason", end.is_length      ? "max_tokens"
                             : end.stop.empty() ? "end_turn"
                                                : "stop_sequence"},
             {"stop_sequence", end.stop.empty() ? Json(nullptr) : Json(end.stop)}};
  }

  void finish(const TokenTotals& tokens) override {
    if (!streams_) {
      Json content = Json::array({{{"type", "text"}, {"text", text_}}});
      return exchange_->send_json(message(std::move(content), stop_, tokens));
    }
    event("content_block_stop", {{"index", 0}});
    event("message_delta", {{"delta", stop_}, {"usage", message_usage(tokens)}});
    event("message_stop", Json::object());
    exchange_->end_stream();
  }

  void fail(const ApiError& error) override {
    if (!has_begun_) return exchange_->send_error(error);
    exchange_->break_stream("event: error\ndata: " + error_body(error, ErrorStyle::kAnthropic) +
                            "\n\n");
  }

 private:
  void event(const char* type, Json members) {
    Json data = {{"type", type}};
    data.update(members);
    exchange_->write(sse_event(data, type));
  }
  Json message(Json content, const Json& stop, const TokenTotals& tokens) const {
    const bool is_over = stop.is_object();
    return {{"id", id_},
            {"type", "message"},
            {"role", "assistant"},
            {"model", exchange_->service().model().id},
            {"content", std::move(content)},
            {"stop_reason", is_over ? stop["stop_reason"] : Json(nullptr)},
            {"stop_sequence", is_over ? stop["stop_sequence"] : Json(nullptr)},
            {"usage", message_usage(tokens)}};
  }

  const ExchangePtr exchange_;
  const bool streams_;
  const int64_t prompt_tokens_;
  const std::string id_;
  std::string text_;
  Json stop_;
  bool has_begun_ = false;
};

void refuse_other_fields(Fields& fields) {
  refuse_constraints(fields);
  fields.refuse("output_config", "texts of a given form are not supported yet", Json::object());
  fields.refuse("output_format", "texts of a given form are not supported yet");
  fields.refuse("mcp_servers", "the server opens no connections", Json::array());
  fields.refuse("container", "there are no containers here");
  const Json* thinking = fields.find("thinking");
  if (thinking && !(thinking->is_object() && thinking->value("type", "") == "disabled"))
    fields.fail(unsupported_field("thinking", "answers are not split; expected type 'disabled'"));
  fields.accept_without_effect({"metadata", "service_tier", "cache_control", "context_management"});
  fields.text("model");
}

// The messages behind the system prompt, as ids. Nothing: `fields` says why, or the template.
Checked<std::vector<int32_t>> read_messages_prompt(Fields& fields, const ServedModel& model) {
  std::vector<ChatMessage> messages = read_messages(fields);
  if (const Json* system = fields.find("system"))
    messages.insert(messages.begin(), {"system", read_content(fields, *system, "system")});
  if (fields.error()) return *fields.error();
  auto chat = render_chat(model, messages);
  if (!chat.ok()) return chat.error();
  return std::move(chat->ids);
}

Checked<MessagesRequest> read_messages_request(Fields& fields, const ServedModel& model) {
  MessagesRequest request;
  read_generation(fields, model, {"max_tokens"}, request.params);
  if (!request.params.most_tokens)
    fields.fail(bad_request("'max_tokens': is required, 0 or more", "max_tokens"));
  read_streaming(fields, request.params);
  request.params.stops = fields.texts("stop_sequences", kMostStops, kMostStopBytes);
  refuse_other_fields(fields);
  auto prompt = read_messages_prompt(fields, model);
  if (!prompt.ok()) return prompt.error();
  request.prompt = *std::move(prompt);
  if (auto error =
          check_length(std::ssize(request.prompt), request.params.most_tokens, model, "messages"))
    return *error;
  return request;
}

}  // namespace

void handle_messages(ExchangePtr exchange) {
  const ServedModel& model = exchange->service().model();
  auto body = parse_object(exchange->request().body);
  if (!body.ok()) return exchange->send_error(body.error());
  Fields fields(*body);
  auto request = read_messages_request(fields, model);
  if (!request.ok()) return exchange->send_error(request.error());
  exchange->set_ignored(fields.ignored());
  GenerationPlan plan{.prompts = {request->prompt},
                      .params = request->params,
                      .stop_ids = stop_ids_of(model, request->params, model.end_of_answer)};
  auto sink = std::make_unique<MessagesSink>(exchange, *request);
  start_generation(std::move(exchange), std::move(plan), std::move(sink));
}

void handle_count_tokens(ExchangePtr exchange) {
  auto body = parse_object(exchange->request().body);
  if (!body.ok()) return exchange->send_error(body.error());
  Fields fields(*body);
  refuse_other_fields(fields);
  auto prompt = read_messages_prompt(fields, exchange->service().model());
  if (!prompt.ok()) return exchange->send_error(prompt.error());
  exchange->set_ignored(fields.ignored());
  exchange->send_json({{"input_tokens", prompt->size()}});
}

}  // namespace bitnetc::serve
