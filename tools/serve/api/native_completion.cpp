// POST /completion: the route of llama.cpp's server.
#include "tools/serve/api/constraint.h"
#include "tools/serve/api/generation.h"
#include "tools/serve/api/prompt.h"
#include "tools/serve/api/surfaces.h"
#include "tools/serve/service.h"

namespace bitnetc::serve {
namespace {

struct NativeRequest {
  TextPrompt prompt;
  GenerationParams params;
  bool returns_tokens = false;
  std::optional<Constraint> constraint;
};

double milliseconds(int64_t from_ns, int64_t to_ns) {
  return static_cast<double>(to_ns - from_ns) / 1e6;
}

Json timings_json(const RequestEnd& end) {
  const int64_t admitted = end.admitted_ns.value_or(end.submitted_ns);
  const int64_t first = end.first_token_ns.value_or(end.ended_ns);
  const double prompt_ms = milliseconds(admitted, first),
               text_ms = milliseconds(first, end.ended_ns);
  const int64_t read = end.prompt_tokens - end.reused_tokens;
  const auto rate = [](int64_t tokens, double ms) {
    return ms > 0 ? static_cast<double>(tokens) * 1e3 / ms : 0.0;
  };
  return {{"cache_n", end.reused_tokens},
          {"prompt_n", read},
          {"prompt_ms", prompt_ms},
          {"prompt_per_second", rate(read, prompt_ms)},
          {"predicted_n", end.tokens},
          {"predicted_ms", text_ms},
          {"predicted_per_second", rate(end.tokens, text_ms)}};
}

Json settings_json(const GenerationParams& params) {
  const SamplingParams& sampling = params.sampling;
  return {{"n_predict", params.most_tokens ? *params.most_tokens : -1},
          {"seed", sampling.seed},
          {"temperature", sampling.temperature},
          {"top_k", sampling.top_k},
          {"top_p", sampling.top_p},
          {"min_p", sampling.min_p},
          {"repeat_penalty", sampling.repeat_penalty},
          {"repeat_last_n", sampling.repeat_last_n},
          {"presence_penalty", sampling.presence_penalty},
          {"frequency_penalty", sampling.frequency_penalty},
          {"ignore_eos", params.ignore_eos},
          {"stop", params.stops},
          {"stream", params.stream}};
}

class NativeSink final : public AnswerSink {
 public:
  NativeSink(ExchangePtr exchange, NativeRequest request)
      : exchange_(std::move(exchange)),
        speller_(*exchange_->service().model().tokenizer),
        request_(std::move(request)) {}

  void begin() override {
    has_begun_ = request_.params.stream;
    if (has_begun_) exchange_->begin_stream();
  }

  void piece(int, Piece piece, const TokenTotals& tokens) override {
    Json ids = Json::array(), probabilities = Json::array();
    for (const TokenEntry& each : piece.entries) {
      if (each.is_text) ids.push_back(each.id);
      if (each.is_text && each.logprob) probabilities.push_back(probability_json(each));
    }
    if (!request_.params.stream) {
      content_ += piece.text;
      append(ids_, ids);
      append(probabilities_, probabilities);
      return;
    }
    Json event = {{"index", 0}, {"content", piece.text}, {"tokens", ids}, {"stop", false}};
    if (request_.params.top_tokens) event["completion_probabilities"] = probabilities;
    event["tokens_predicted"] = tokens.text;
    event["tokens_evaluated"] = tokens.prompt;
    exchange_->write(sse_event(event));
  }

  void end_choice(int, const ChoiceEnd& end, const TokenTotals& tokens) override {
    const ServedModel& model = exchange_->service().model();
    const char* stop_type = end.is_length ? "limit" : end.stop.empty() ? "eos" : "word";
    last_ = {{"index", 0},
             {"content", content_},
             {"tokens", request_.returns_tokens && !request_.params.stream ? ids_ : Json::array()},
             {"id_slot", -1},
             {"stop", true},
             {"model", model.id},
             {"system_fingerprint", model.fingerprint},
             {"tokens_predicted", tokens.text},
             {"tokens_evaluated", tokens.prompt},
             {"tokens_cached", tokens.cached},
             {"truncated", false},
             {"stop_type", stop_type},
             {"stopping_word", end.stop},
             {"generation_settings", settings_json(request_.params)},
             {"timings", timings_json(end.end)}};
    if (request_.params.top_tokens && !request_.params.stream)
      last_["completion_probabilities"] = probabilities_;
  }

  void finish(const TokenTotals&) override {
    if (!request_.params.stream) return exchange_->send_json(last_);
    exchange_->write(sse_event(last_));
    exchange_->end_stream();
  }

  void fail(const ApiError& error) override {
    if (!has_begun_) return exchange_->send_error(error);
    exchange_->break_stream("data: " + error_body(error) + "\n\n");
  }

 private:
  static void append(Json& to, const Json& from) { to.insert(to.end(), from.begin(), from.end()); }
  Json probability_json(const TokenEntry& entry) const {
    Json top = Json::array();
    for (const TopToken& each : entry.top)
      top.push_back(
          {{"id", each.id}, {"token", speller_.spell(each.id)}, {"logprob", each.logprob}});
    return {{"id", entry.id},
            {"token", speller_.spell(entry.id)},
            {"logprob", *entry.logprob},
            {"top_logprobs", std::move(top)}};
  }

  const ExchangePtr exchange_;
  const TokenSpeller speller_;
  const NativeRequest request_;
  std::string content_;
  Json ids_ = Json::array(), probabilities_ = Json::array(), last_;
  bool has_begun_ = false;
};

NativeRequest read_native_request(Fields& fields, const ServedModel& model) {
  NativeRequest request;
  read_generation(fields, model, {"n_predict", "max_tokens"}, request.params);
  read_streaming(fields, request.params);
  request.constraint = read_constraint(fields);
  refuse_other_samplers(fields);
  if (const auto top = fields.integer("n_probs", 0, kMostTopTokens); top && *top > 0)
    request.params.top_tokens = static_cast<int>(*top);
  request.returns_tokens = fields.boolean("return_tokens").value_or(false);
  auto prompts = read_prompts(fields, "prompt", model, /*add_special=*/true);
  if (prompts.size() > 1)
    fields.fail(
        bad_request("'prompt': this route takes one; /v1/completions takes lists", "prompt"));
  if (!prompts.empty()) request.prompt = std::move(prompts.front());
  fields.accept_without_effect({"cache_prompt", "id_slot", "timings_per_token", "n_keep"});
  fields.text("model");
  if (auto error =
          check_length(std::ssize(request.prompt.ids), request.params.most_tokens, model, "prompt"))
    fields.fail(*std::move(error));
  return request;
}

}  // namespace

void handle_native_completion(const ExchangePtr& exchange) {
  const ServedModel& model = exchange->service().model();
  auto body = parse_object(exchange->request().body);
  if (!body.ok()) return exchange->send_error(body.error());
  Fields fields(*body);
  NativeRequest request = read_native_request(fields, model);
  if (fields.error()) return exchange->send_error(*fields.error());
  exchange->set_ignored(fields.ignored());
  GenerationPlan plan{.prompts = {request.prompt.ids},
                      .params = request.params,
                      .stop_ids = stop_ids_of(model, request.params)};
  if (auto error = bind_texts(request.constraint, model, plan)) return exchange->send_error(*error);
  auto sink = std::make_unique<NativeSink>(exchange, std::move(request));
  start_generation(exchange, std::move(plan), std::move(sink));
}

}  // namespace bitnetc::serve
