#include "tools/serve/api/generation.h"

#include "tools/serve/service.h"

namespace bitnetc::serve {
namespace {

class Generation : public std::enable_shared_from_this<Generation> {
 public:
  Generation(std::shared_ptr<Exchange> exchange, GenerationPlan plan,
             std::unique_ptr<AnswerSink> sink)
      : exchange_(std::move(exchange)),
        engine_(exchange_->service().engine()),
        model_(exchange_->service().model()),
        plan_(std::move(plan)),
        sink_(std::move(sink)) {}

  void start();  // once

 private:
  struct Choice {
    size_t prompt = 0;
    std::unique_ptr<TextWriter> writer;
    std::vector<TokenEntry> prompt_entries;
    std::optional<int32_t> stop_id;
    RequestId request = 0;
    int64_t tokens = 0;
    bool is_running = false;
  };

  void submit();
  TokenRequest make_request(int choice);
  void stop();  // nobody wants the answer any more
  void begin();
  void take_prompt(int choice, int64_t position, std::span<const float> logits);
  bool take_token(int choice, const SampledToken& token);
  void end(int choice, const RequestEnd& end);
  void fail(const ApiError& error, const char* finish = "error");
  void cancel_rest();
  Choice& at(int choice) { return choices_[static_cast<size_t>(choice)]; }

  const std::shared_ptr<Exchange> exchange_;
  TokenEngine& engine_;
  const ServedModel& model_;
  const GenerationPlan plan_;

  std::mutex mutex_;  // guards what follows; never held while the engine calls
  const std::unique_ptr<AnswerSink> sink_;
  std::vector<Choice> choices_;
  TokenTotals totals_;
  size_t ended_ = 0;
  bool has_begun_ = false, is_over_ = false;
};

void Generation::start() {
  submit();
  // Calls at once where the client has gone already.
  exchange_->when_gone([self = shared_from_this()] { self->stop(); });
}

void Generation::submit() {
  const std::lock_guard lock(mutex_);
  const int n = plan_.params.n;
  for (size_t prompt = 0; prompt < plan_.prompts.size(); ++prompt) {
    totals_.prompt += std::ssize(plan_.prompts[prompt]);
    for (int i = 0; i < n; ++i) {
      choices_.push_back({.prompt = prompt});
      choices_.back().writer = std::make_unique<TextWriter>(
          *model_.tokenizer, plan_.prompts[prompt], plan_.params.stops);
    }
  }
  for (int choice = 0; choice < std::ssize(choices_); ++choice) {
    const Result<RequestId> request = engine_.submit(make_request(choice), choice == 0);
    if (!request.ok()) {
      const bool is_full = request.status().code() == StatusCode::kOutOfMemory;
      return fail(is_full ? queue_is_full() : error_of(request.status()));
    }
    at(choice).request = *request;
    at(choice).is_running = true;
  }
}

void Generation::stop() {
  const std::lock_guard lock(mutex_);
  is_over_ = true;
  cancel_rest();
}

TokenRequest Generation::make_request(int choice) {
  const GenerationParams& params = plan_.params;
  const auto& prompt = plan_.prompts[at(choice).prompt];
  TokenRequest request{.prompt = prompt,
                       .most_tokens = params.most_tokens,
                       .sampling = params.sampling,
                       .stop_ids = plan_.stop_ids,
                       .timeout_ns = exchange_->service().limits().timeout_ns,
                       .wants_logits = params.top_tokens.has_value()};
  request.sampling.seed += static_cast<uint64_t>(choice % params.n);
  request.sampling.text_begin = std::ssize(prompt);
  request.on_admitted = [self = shared_from_this()](RequestId) { self->begin(); };
  request.on_token = [self = shared_from_this(), choice](const SampledToken& token) {
    return self->take_token(choice, token);
  };
  request.on_end = [self = shared_from_this(), choice](const RequestEnd& its_end) {
    self->end(choice, its_end);
  };
  if (plan_.scores_prompt)
    request.on_prompt_logits = [self = shared_from_this(), choice](int64_t position,
                                                                   std::span<const float> logits) {
      self->take_prompt(choice, position, logits);
    };
  return request;
}

void Generation::begin() {
  const std::lock_guard lock(mutex_);
  if (has_begun_ || is_over_) return;
  has_begun_ = true;
  exchange_->note_admitted();
  sink_->begin();
}

// Logits behind a token of the prompt say how likely the next one is.
void Generation::take_prompt(int choice, int64_t position, std::span<const float> logits) {
  const std::lock_guard lock(mutex_);
  if (is_over_) return;
  const auto& prompt = plan_.prompts[at(choice).prompt];
  auto& entries = at(choice).prompt_entries;
  if (position == 0) entries.push_back({.id = prompt.front()});
  const auto next = static_cast<size_t>(position) + 1;
  if (next < prompt.size()) {
    entries.push_back(score_token(logits, prompt[next], plan_.params.top_tokens.value_or(0)));
    return;
  }
  sink_->prompt(choice, entries);
  entries = {};
}

bool Generation::take_token(int choice, const SampledToken& token) {
  const std::lock_guard lock(mutex_);
  if (is_over_) return false;
  exchange_->note_token();
  ++totals_.text;
  Choice& its = at(choice);
  ++its.tokens;
  TokenEntry entry = token.logits.empty()
                         ? TokenEntry{.id = token.id}
                         : score_token(token.logits, token.id, *plan_.params.top_tokens);
  if (token.is_stop) {
    its.stop_id = token.id;
    its.writer->push_silent(std::move(entry));
    return false;
  }
  Piece piece = its.writer->push(std::move(entry));
  if (!piece.text.empty() || !piece.entries.empty())
    sink_->piece(choice, std::move(piece), totals_);
  return its.writer->stop().empty();
}

void Generation::end(int choice, const RequestEnd& its_end) {
  const std::lock_guard lock(mutex_);
  Choice& its = at(choice);
  its.is_running = false;
  if (choice % plan_.params.n == 0) {  // a prompt counts once
    totals_.cached += its_end.reused_tokens;
    if (its_end.admitted_ns) exchange_->note_prompt(its_end.prompt_tokens, its_end.reused_tokens);
  }
  if (is_over_) return;
  switch (its_end.reason) {
    case EndReason::kCancelled: return fail(unavailable("the server is shutting down"), "shutdown");
    case EndReason::kTimeout:
      return fail({.status = 408,
                   .type = "timeout_error",
                   .message = "the request took longer than the server allows (--timeout)",
                   .code = "timeout"},
                  "timeout");
    case EndReason::kFailed: return fail(error_of(its_end.status));
    default: break;
  }
  Piece rest = its.writer->finish();
  if (!rest.text.empty() || !rest.entries.empty()) sink_->piece(choice, std::move(rest), totals_);
  const bool is_length =
      its_end.reason == EndReason::kMostTokens || its_end.reason == EndReason::kContextFull;
  const bool has_stopped = !its.writer->stop().empty();
  sink_->end_choice(choice,
                    {.is_length = is_length && !has_stopped,
                     .stop = its.writer->stop(),
                     .stop_id = its.stop_id,
                     .end = its_end},
                    totals_);
  exchange_->note_finish(is_length && !has_stopped ? "length" : "stop");
  if (++ended_ < choices_.size()) return;
  is_over_ = true;
  sink_->finish(totals_);
}

void Generation::fail(const ApiError& error, const char* finish) {
  if (std::exchange(is_over_, true)) return;
  cancel_rest();
  exchange_->note_finish(finish);
  sink_->fail(error);
}

void Generation::cancel_rest() {
  for (const Choice& each : choices_)
    if (each.is_running) engine_.cancel(each.request);
}

}  // namespace

void start_generation(std::shared_ptr<Exchange> exchange, GenerationPlan plan,
                      std::unique_ptr<AnswerSink> sink) {
  std::make_shared<Generation>(std::move(exchange), std::move(plan), std::move(sink))->start();
}

std::vector<int32_t> stop_ids_of(const ServedModel& model, const GenerationParams& params,
                                 std::optional<int32_t> end_of_answer) {
  if (params.ignore_eos) return {};
  std::vector<int32_t> ids = model.generation.stop_ids;
  if (end_of_answer) ids.push_back(*end_of_answer);
  return ids;
}

}  // namespace bitnetc::serve
