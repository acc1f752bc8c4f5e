#include "tools/serve/api/openai_sink.h"

#include <ctime>

#include "tools/serve/service.h"

namespace bitnetc::serve {

Json usage_json(const TokenTotals& tokens) {
  return {{"prompt_tokens", tokens.prompt},
          {"completion_tokens", tokens.text},
          {"total_tokens", tokens.prompt + tokens.text},
          {"prompt_tokens_details", {{"cached_tokens", tokens.cached}}}};
}

OpenAiSink::OpenAiSink(std::shared_ptr<Exchange> exchange, const GenerationParams& params,
                       const OpenAiNames& names)
    : exchange_(std::move(exchange)),
      params_(params),
      names_(names),
      id_(fresh_id(names.id_prefix)),
      created_s_(std::time(nullptr)) {}

const ServedModel& OpenAiSink::model() const {
  return exchange_->service().model();
}

Json OpenAiSink::envelope(const char* object, Json choices) const {
  return {{"id", id_},
          {"object", object},
          {"created", created_s_},
          {"model", model().id},
          {"system_fingerprint", model().fingerprint},
          {"choices", std::move(choices)}};
}

void OpenAiSink::begin() {
  if (!streams()) return;
  has_begun_ = true;
  exchange_->begin_stream();
  begin_texts();
}

// Usage stands in the last chunk, and null in the others; without being asked for nowhere.
void OpenAiSink::write_chunk(Json choices, const TokenTotals* tokens) {
  Json chunk = envelope(names_.chunk, std::move(choices));
  if (params_.include_usage) chunk["usage"] = tokens ? usage(*tokens) : Json(nullptr);
  exchange_->write(sse_event(chunk));
}

void OpenAiSink::write_choice(Json choice, const TokenTotals& tokens) {
  choice["finish_reason"] = nullptr;
  write_chunk(Json::array({std::move(choice)}), params_.usage_in_every_chunk ? &tokens : nullptr);
}

void OpenAiSink::end_choice(int choice, const ChoiceEnd& end, const TokenTotals& tokens) {
  end_text(choice, tokens);
  const char* reason = end.is_length ? "length" : finish_reason(choice);
  finish_reasons_.resize(std::max(finish_reasons_.size(), static_cast<size_t>(choice) + 1));
  finish_reasons_[static_cast<size_t>(choice)] = reason;
  if (!streams()) return;
  Json last = last_choice(choice);
  last["finish_reason"] = reason;
  write_chunk(Json::array({std::move(last)}), params_.usage_in_every_chunk ? &tokens : nullptr);
}

void OpenAiSink::finish(const TokenTotals& tokens) {
  if (streams()) {
    if (params_.include_usage) write_chunk(Json::array(), &tokens);
    exchange_->write(kSseDone);
    return exchange_->end_stream();
  }
  Json choices = Json::array();
  for (size_t i = 0; i < finish_reasons_.size(); ++i) {
    choices.push_back(whole_choice(static_cast<int>(i)));
    choices.back()["finish_reason"] = finish_reasons_[i];
  }
  Json document = envelope(names_.document, std::move(choices));
  document["usage"] = usage(tokens);
  exchange_->send_json(document);
}

void OpenAiSink::fail(const ApiError& error) {
  if (!has_begun_) return exchange_->send_error(error);
  exchange_->break_stream("data: " + error_body(error) + "\n\n");
}

}  // namespace bitnetc::serve
