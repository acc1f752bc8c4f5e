#include "tools/serve/api/responses_sink.h"

#include <ctime>

#include "tools/serve/service.h"

namespace bitnetc::serve {
namespace {

Json responses_usage(const TokenTotals& tokens, int64_t thought_tokens) {
  return {{"input_tokens", tokens.prompt},
          {"input_tokens_details", {{"cached_tokens", tokens.cached}}},
          {"output_tokens", tokens.text},
          {"output_tokens_details", {{"reasoning_tokens", thought_tokens}}},
          {"total_tokens", tokens.prompt + tokens.text}};
}

}  // namespace

ResponsesSink::ResponsesSink(std::shared_ptr<Exchange> exchange, ResponsesRequest request)
    : exchange_(std::move(exchange)),
      request_(std::move(request)),
      id_(fresh_id("resp_")),
      created_s_(std::time(nullptr)),
      reader_(request_.syntax) {}

void ResponsesSink::begin() {
  if (!streams()) return;
  has_begun_ = true;
  exchange_->begin_stream();
  event("response.created", {{"response", response("in_progress")}});
  event("response.in_progress", {{"response", response("in_progress")}});
}

void ResponsesSink::piece(int, Piece piece, const TokenTotals&) {
  for (const AnswerPart& part : reader_.push(piece)) tell(part);
}

void ResponsesSink::tell(const AnswerPart& part) {
  switch (part.kind) {
    case AnswerPart::Kind::kThought:
      if (!is_open("reasoning")) begin_reasoning();
      return add(part.text);
    case AnswerPart::Kind::kText:
      if (!is_open("message")) {
        end_item("completed");
        begin_message();
      }
      return add(part.text);
    case AnswerPart::Kind::kCall: end_item("completed"); return begin_call(part.text);
    case AnswerPart::Kind::kArguments: return add(part.text);
    case AnswerPart::Kind::kCallEnd: return end_item("completed");
  }
}

bool ResponsesSink::is_open(const char* type) const {
  return !item_.is_null() && item_["type"] == type;
}

void ResponsesSink::begin_message() {
  item_ = {{"id", fresh_id("msg_")},
           {"type", "message"},
           {"role", "assistant"},
           {"status", "in_progress"},
           {"content", Json::array()}};
  announce_item();
}

void ResponsesSink::begin_reasoning() {
  item_ = {{"id", fresh_id("rs_")},
           {"type", "reasoning"},
           {"status", "in_progress"},
           {"summary", Json::array()},
           {"content", Json::array()}};
  announce_item();
}

void ResponsesSink::begin_call(const std::string& name) {
  item_ = {{"id", fresh_id("fc_")},
           {"type", "function_call"},
           {"status", "in_progress"},
           {"call_id", fresh_id("call_")},
           {"name", name},
           {"arguments", ""}};
  announce_item();
}

void ResponsesSink::announce_item() {
  if (!streams()) return;
  event("response.output_item.added", {{"output_index", items_.size()}, {"item", item_}});
  if (!is_open("function_call")) part_event("response.content_part.added", {{"part", part("")}});
}

Json ResponsesSink::part(const std::string& text) const {
  if (is_open("reasoning")) return {{"type", "reasoning_text"}, {"text", text}};
  return {{"type", "output_text"},
          {"text", text},
          {"annotations", Json::array()},
          {"logprobs", Json::array()}};
}

void ResponsesSink::add(const std::string& text) {
  text_ += text;
  if (!streams()) return;
  if (is_open("message"))
    part_event("response.output_text.delta", {{"delta", text}, {"logprobs", Json::array()}});
  else if (is_open("reasoning"))
    part_event("response.reasoning_text.delta", {{"delta", text}});
  else
    item_event("response.function_call_arguments.delta", {{"delta", text}});
}

void ResponsesSink::end_text() {
  if (is_open("message"))
    part_event("response.output_text.done", {{"text", text_}, {"logprobs", Json::array()}});
  else if (is_open("reasoning"))
    part_event("response.reasoning_text.done", {{"text", text_}});
  else
    return item_event("response.function_call_arguments.done",
                      {{"name", item_["name"]}, {"arguments", text_}});
  part_event("response.content_part.done", {{"part", part(text_)}});
}

void ResponsesSink::end_item(const char* status) {
  if (item_.is_null()) return;
  item_["status"] = status;
  if (streams()) end_text();
  if (is_open("function_call"))
    item_["arguments"] = text_;
  else
    item_["content"] = Json::array({part(text_)});
  if (streams())
    event("response.output_item.done", {{"output_index", items_.size()}, {"item", item_}});
  items_.push_back(std::move(item_));
  item_ = nullptr;
  text_.clear();
}

void ResponsesSink::end_choice(int, const ChoiceEnd& end, const TokenTotals&) {
  for (const AnswerPart& part : reader_.finish()) tell(part);
  is_cut_ = end.is_length;
  // A call that was cut has no arguments that a client could use: only a stream has shown it.
  if (reader_.is_in_call() && !streams()) {
    item_ = nullptr;
    text_.clear();
  }
  if (item_.is_null() && items_.empty()) begin_message();
  end_item(is_cut_ || reader_.is_in_call() ? "incomplete" : "completed");
}

void ResponsesSink::finish(const TokenTotals& tokens) {
  const char* status = is_cut_ ? "incomplete" : "completed";
  Json whole = response(status);
  whole["output"] = items_;
  whole["usage"] = responses_usage(tokens, reader_.thought_tokens());
  if (is_cut_) whole["incomplete_details"] = {{"reason", "max_output_tokens"}};
  if (!streams()) return exchange_->send_json(whole);
  event(is_cut_ ? "response.incomplete" : "response.completed", {{"response", whole}});
  exchange_->end_stream();
}

void ResponsesSink::fail(const ApiError& error) {
  if (!has_begun_) return exchange_->send_error(error);
  const Json data = {{"type", "error"},
                     {"code", error.code.empty() ? error.type : error.code},
                     {"message", error.message},
                     {"param", nullptr},
                     {"sequence_number", events_++}};
  exchange_->break_stream(sse_event(data, "error"));
}

void ResponsesSink::event(const char* type, const Json& members) {
  Json data = {{"type", type}, {"sequence_number", events_++}};
  data.update(members);
  exchange_->write(sse_event(data, type));
}

void ResponsesSink::item_event(const char* type, const Json& members) {
  Json where = {{"item_id", item_["id"]}, {"output_index", items_.size()}};
  where.update(members);
  event(type, where);
}

void ResponsesSink::part_event(const char* type, const Json& members) {
  Json where = {{"content_index", 0}};
  where.update(members);
  item_event(type, where);
}

Json ResponsesSink::response(const char* status) const {
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
          {"parallel_tool_calls", request_.tools.may_call_many},
          {"previous_response_id", nullptr},
          {"reasoning", {{"effort", request_.effort}, {"summary", nullptr}}},
          {"store", false},
          {"temperature", params.sampling.temperature},
          {"text", {{"format", request_.format}}},
          {"tool_choice", request_.tools.choice},
          {"tools", request_.tools.tools},
          {"top_p", params.sampling.top_p},
          {"truncation", "disabled"},
          {"usage", nullptr},
          {"user", nullptr},
          {"metadata", request_.metadata}};
}

}  // namespace bitnetc::serve
