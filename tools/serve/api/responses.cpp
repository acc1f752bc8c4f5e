// POST /v1/responses and /v1/responses/input_tokens. Nothing is kept between requests.
#include <ctime>

#include "tools/serve/api/generation.h"
#include "tools/serve/api/prompt.h"
#include "tools/serve/api/surfaces.h"
#include "tools/serve/service.h"

namespace bitnetc::serve {
namespace {

struct ResponsesRequest {
  GenerationParams params;
  std::vector<int32_t> prompt;
  Json instructions = nullptr, metadata = Json::object();
};

Json responses_usage(const TokenTotals& tokens) {
  return {{"input_tokens", tokens.prompt},
          {"input_tokens_details", {{"cached_tokens", tokens.cached}}},
          {"output_tokens", tokens.text},
          {"output_tokens_details", {{"reasoning_tokens", 0}}},
          {"total_tokens", tokens.prompt + tokens.text}};
}

class ResponsesSink final : public AnswerSink {
 public:
  ResponsesSink(ExchangePtr exchange, ResponsesRequest request)
      : exchange_(std::move(exchange)),
        request_(std::move(request)),
        id_(fresh_id("resp_")),
        item_id_(fresh_id("msg_")),
        created_s_(std::time(nullptr)) {}

  void begin() override {
    if (!streams()) return;
    has_begun_ = true;
    exchange_->begin_stream();
    event("response.created", {{"response", response("in_progress")}});
    event("response.in_progress", {{"response", response("in_progress")}});
    event("response.output_item.added",
          {{"output_index", 0}, {"item", item("in_progress", Json::array())}});
    part_event("response.content_part.added", {{"part", part("")}});
  }

  void piece(int, Piece piece, const TokenTotals&) override {
    if (piece.text.empty()) return;
    text_ += piece.text;
    if (streams())
      part_event("response.output_text.delta",
                 {{"delta", piece.text}, {"logprobs", Json::array()}});
  }

  void end_choice(int, const ChoiceEnd& end, const TokenTotals&) override {
    is_cut_ = end.is_length;
  }

  void finish(const TokenTotals& tokens) override {
    const char* status = is_cut_ ? "incomplete" : "completed";
    Json whole_item = item(status, Json::array({part(text_)}));
    Json whole = response(status);
    whole["output"] = Json::array({whole_item});
    whole["usage"] = responses_usage(tokens);
    if (is_cut_) whole["incomplete_details"] = {{"reason", "max_output_tokens"}};
    if (!streams()) return exchange_->send_json(whole);
    part_event("response.output_text.done", {{"text", text_}, {"logprobs", Json::array()}});
    part_event("response.content_part.done", {{"part", part(text_)}});
    event("response.output_item.done", {{"output_index", 0}, {"item", whole_item}});
    event(is_cut_ ? "response.incomplete" : "response.completed", {{"response", whole}});
    exchange_->end_stream();
  }

  void fail(const ApiError& error) override {
    if (!has_begun_) return exchange_->send_error(error);
    const Json data = {{"type", "error"},
                       {"code", error.code.empty() ? error.type : error.code},
                       {"message", error.message},
                       {"param", nullptr},
                       {"sequence_number", events_++}};
    exchange_->break_stream(sse_event(data, "error"));
  }

 private:
  bool streams() const { return request_.params.stream; }
  void event(const char* type, Json members) {
    Json data = {{"type", type}, {"sequence_number", events_++}};
    data.update(members);
    exchange_->write(sse_event(data, type));
  }
  void part_event(const char* type, Json members) {
    Json where = {{"item_id", item_id_}, {"output_index", 0}, {"content_index", 0}};
    where.update(members);
    event(type, std::move(where));
  }
  static Json part(const std::string& text) {
    return {{"type", "output_text"},
            {"text", text},
            {"annotations", Json::array()},
            {"logprobs", Json::array()}};
  }
  Json item(const char* status, Json content) const {
    return {{"id", item_id_},
            {"type", "message"},
            {"role", "assistant"},
            {"status", status},
            {"content", std::move(content)}};
  }
  Json response(const char* status) const {
    const GenerationParams& params = request_.params;
    return {{"id", id_},
            {"object", "response"},
            {"created_at", created_s_},
            {"status", status},
            {"background", false},
            {"error", nullptr},
            {"incomplete_details", nullptr},
            {"instructions", request_.instructions},
            {"max_output_tokens", params.most_tokens ? Json(*params.most_tokens) : Json(nullptr)},
            {"model", exchange_->service().model().id},
            {"output", Json::array()},
            {"parallel_tool_calls", true},
            {"previous_response_id", nullptr},
            {"reasoning", {{"effort", nullptr}, {"summary", nullptr}}},
            {"store", false},
            {"temperature", params.sampling.temperature},
            {"text", {{"format", {{"type", "text"}}}}},
            {"tool_choice", "auto"},
            {"tools", Json::array()},
            {"top_p", params.sampling.top_p},
            {"truncation", "disabled"},
            {"usage", nullptr},
            {"user", nullptr},
            {"metadata", request_.metadata}};
  }

  const ExchangePtr exchange_;
  const ResponsesRequest request_;
  const std::string id_, item_id_;
  const int64_t created_s_;
  std::string text_;
  int64_t events_ = 0;
  bool has_begun_ = false, is_cut_ = false;
};

std::vector<ChatMessage> read_input(Fields& fields) {
  const Json* input = fields.find("input");
  const auto refuse = [&](const std::string& what, const std::string& where) {
    fields.fail(bad_request(fmt::format("'{}': {}", where, what), where));
    return std::vector<ChatMessage>();
  };
  if (input == nullptr) return refuse("is required", "input");
  if (input->is_string()) return {{"user", input->get<std::string>()}};
  if (!input->is_array() || input->empty())
    return refuse("expected a text or a list of items", "input");
  std::vector<ChatMessage> messages;
  for (size_t i = 0; i < input->size(); ++i) {
    const Json& item = (*input)[i];
    const std::string where = fmt::format("input[{}]", i);
    if (!item.is_object()) return refuse("is no object", where);
    if (item.contains("type") && item["type"] != "message")
      return refuse("items other than messages are not supported yet", where + ".type");
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
  refuse_constraints(fields);
  constexpr char kNothingKept[] = "nothing is kept between requests";
  fields.refuse("previous_response_id", kNothingKept);
  fields.refuse("conversation", kNothingKept);
  fields.refuse("prompt", kNothingKept);
  fields.refuse("background", kNothingKept, false);
  fields.refuse("truncation", "nothing is cut from a prompt", "disabled");
  fields.refuse("top_logprobs", "probabilities are told by chat and completions", 0);
  const Json* text = fields.find("text");
  if (text && text->is_object() && text->contains("format") && !(*text)["format"].is_null()) {
    const Json& format = (*text)["format"];
    if (!format.is_object() || format.value("type", "") != "text")
      fields.fail(unsupported_field("text.format", "texts of a given form are not supported yet"));
  }
  fields.accept_without_effect({"include", "reasoning", "store", "user", "service_tier",
                                "prompt_cache_key", "safety_identifier", "parallel_tool_calls",
                                "max_tool_calls"});
  fields.text("model");
}

Checked<std::vector<int32_t>> read_prompt_of_responses(Fields& fields, const ServedModel& model,
                                                       Json& instructions) {
  std::vector<ChatMessage> messages = read_input(fields);
  if (const auto said = fields.text("instructions")) {
    messages.insert(messages.begin(), {"system", *said});
    instructions = *said;
  }
  if (fields.error()) return *fields.error();
  auto chat = render_chat(model, messages);
  if (!chat.ok()) return chat.error();
  return std::move(chat->ids);
}

Checked<ResponsesRequest> read_request_of_responses(Fields& fields, const ServedModel& model) {
  ResponsesRequest request;
  read_generation(fields, model, {"max_output_tokens"}, request.params);
  read_streaming(fields, request.params);
  refuse_other_fields_of_responses(fields);
  if (const Json* metadata = fields.find("metadata")) request.metadata = *metadata;
  auto prompt = read_prompt_of_responses(fields, model, request.instructions);
  if (!prompt.ok()) return prompt.error();
  request.prompt = *std::move(prompt);
  if (auto error =
          check_length(std::ssize(request.prompt), request.params.most_tokens, model, "input"))
    return *error;
  return request;
}

}  // namespace

void handle_responses(ExchangePtr exchange) {
  const ServedModel& model = exchange->service().model();
  auto body = parse_object(exchange->request().body);
  if (!body.ok()) return exchange->send_error(body.error());
  Fields fields(*body);
  auto request = read_request_of_responses(fields, model);
  if (!request.ok()) return exchange->send_error(request.error());
  exchange->set_ignored(fields.ignored());
  GenerationPlan plan{.prompts = {request->prompt},
                      .params = request->params,
                      .stop_ids = stop_ids_of(model, request->params, model.end_of_answer)};
  auto sink = std::make_unique<ResponsesSink>(exchange, *std::move(request));
  start_generation(std::move(exchange), std::move(plan), std::move(sink));
}

void handle_input_tokens(ExchangePtr exchange) {
  auto body = parse_object(exchange->request().body);
  if (!body.ok()) return exchange->send_error(body.error());
  Fields fields(*body);
  refuse_other_fields_of_responses(fields);
  Json instructions;
  auto prompt = read_prompt_of_responses(fields, exchange->service().model(), instructions);
  if (!prompt.ok()) return exchange->send_error(prompt.error());
  exchange->set_ignored(fields.ignored());
  exchange->send_json({{"object", "response.input_tokens"}, {"input_tokens", prompt->size()}});
}

}  // namespace bitnetc::serve
