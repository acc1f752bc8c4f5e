// POST /v1/completions
#include "tools/serve/api/constraint.h"
#include "tools/serve/api/generation.h"
#include "tools/serve/api/legacy_logprobs.h"
#include "tools/serve/api/openai_sink.h"
#include "tools/serve/api/prompt.h"
#include "tools/serve/api/surfaces.h"
#include "tools/serve/service.h"

namespace bitnetc::serve {
namespace {

struct CompletionRequest {
  std::vector<TextPrompt> prompts;
  GenerationParams params;
  bool echo = false;
  std::optional<Constraint> constraint;
};

class CompletionSink final : public OpenAiSink {
 public:
  CompletionSink(const ExchangePtr& exchange, CompletionRequest request)
      : OpenAiSink(
            exchange, request.params,
            {.id_prefix = "cmpl-", .document = "text_completion", .chunk = "text_completion"}),
        speller_(*exchange->service().model().tokenizer),
        request_(std::move(request)),
        texts_(request_.prompts.size() * static_cast<size_t>(request_.params.n),
               Text(LegacyLogprobs(speller_))) {
    if (!request_.echo) return;
    for (int i = 0; i < std::ssize(texts_); ++i) at(i).text = prompt_of(i).text;
  }

  void begin_texts() override {
    const bool waits_for_prompt = request_.params.top_tokens && request_.echo;
    for (int i = 0; request_.echo && !waits_for_prompt && i < std::ssize(texts_); ++i)
      write_choice(choice_json(i, at(i).text), {});
  }

  void prompt(int choice, std::span<TokenEntry> entries) override {
    const TextPrompt& its_prompt = prompt_of(choice);
    StreamDecoder decoder(*model().tokenizer, /*skip_special=*/false);
    for (TokenEntry& each : entries) each.bytes = decoder.push(each.id);
    // What was put in front is not the client's; its first token has nothing in front of it.
    const auto own = entries.subspan(std::min(its_prompt.added, entries.size()));
    if (!own.empty()) own.front().logprob.reset();
    at(choice).logprobs.add(own);
    if (streams()) write_choice(choice_json(choice, at(choice).text), {});
  }

  void piece(int choice, Piece piece, const TokenTotals& tokens) override {
    if (params().top_tokens) at(choice).logprobs.add(piece.entries);
    if (streams())
      write_choice(choice_json(choice, piece.text), tokens);
    else
      at(choice).text += piece.text;
  }

 protected:
  Json whole_choice(int choice) override { return choice_json(choice, at(choice).text); }
  Json last_choice(int choice) override { return choice_json(choice, ""); }

 private:
  struct Text {
    explicit Text(LegacyLogprobs its_logprobs) : logprobs(std::move(its_logprobs)) {}
    std::string text;
    LegacyLogprobs logprobs;
  };
  Text& at(int choice) { return texts_[static_cast<size_t>(choice)]; }
  const TextPrompt& prompt_of(int choice) const {
    return request_.prompts[static_cast<size_t>(choice / request_.params.n)];
  }
  Json choice_json(int choice, const std::string& text) {
    return {{"index", choice},
            {"text", text},
            {"logprobs", params().top_tokens ? at(choice).logprobs.take() : Json(nullptr)}};
  }

  const TokenSpeller speller_;
  const CompletionRequest request_;
  std::vector<Text> texts_;
};

CompletionRequest read_completion_request(Fields& fields, const ServedModel& model) {
  CompletionRequest request;
  read_generation(fields, model, {"max_tokens"}, request.params);
  read_streaming(fields, request.params);
  request.constraint = read_constraint(fields);
  refuse_other_samplers(fields);
  request.echo = fields.boolean("echo").value_or(false);
  request.params.n = static_cast<int>(fields.integer("n", 1, kMostChoices).value_or(1));
  if (const auto top = fields.integer("logprobs", 0, kMostTopTokens))
    request.params.top_tokens = static_cast<int>(*top);
  fields.refuse("suffix", "the models that are served here do not fill gaps", "");
  fields.refuse("best_of", "texts are not ranked; expected 1 or n", request.params.n);
  const bool add_special = fields.boolean("add_special_tokens").value_or(true);
  request.prompts = read_prompts(fields, "prompt", model, add_special);
  fields.accept_without_effect({"user", "cache_prompt", "metadata", "service_tier", "priority"});
  fields.text("model");
  for (const TextPrompt& each : request.prompts)
    if (auto error =
            check_length(std::ssize(each.ids), request.params.most_tokens, model, "prompt"))
      fields.fail(*std::move(error));
  return request;
}

}  // namespace

void handle_completions(const ExchangePtr& exchange) {
  const ServedModel& model = exchange->service().model();
  auto body = parse_object(exchange->request().body);
  if (!body.ok()) return exchange->send_error(body.error());
  Fields fields(*body);
  CompletionRequest request = read_completion_request(fields, model);
  if (fields.error()) return exchange->send_error(*fields.error());
  exchange->set_ignored(fields.ignored());
  GenerationPlan plan{.params = request.params,
                      .stop_ids = stop_ids_of(model, request.params),
                      .scores_prompt = request.echo && request.params.top_tokens};
  for (const TextPrompt& each : request.prompts) plan.prompts.push_back(each.ids);
  if (auto error = bind_texts(request.constraint, model, plan)) return exchange->send_error(*error);
  auto sink = std::make_unique<CompletionSink>(exchange, std::move(request));
  start_generation(exchange, std::move(plan), std::move(sink));
}

}  // namespace bitnetc::serve
