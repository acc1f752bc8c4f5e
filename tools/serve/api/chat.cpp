// POST /v1/chat/completions
#include "tools/serve/api/generation.h"
#include "tools/serve/api/openai_sink.h"
#include "tools/serve/api/prompt.h"
#include "tools/serve/api/surfaces.h"
#include "tools/serve/service.h"

namespace bitnetc::serve {
namespace {

Json bytes_json(std::string_view text) {
  Json bytes = Json::array();
  for (const char c : text) bytes.push_back(static_cast<unsigned char>(c));
  return bytes;
}

Json entries_json(const std::vector<TokenEntry>& entries, const TokenSpeller& speller) {
  Json list = Json::array();
  for (const TokenEntry& each : entries) {
    if (!each.is_text || !each.logprob) continue;
    Json top = Json::array();
    for (const TopToken& other : each.top) {
      const std::string spelled = speller.spell(other.id);
      top.push_back(
          {{"token", spelled}, {"logprob", other.logprob}, {"bytes", bytes_json(spelled)}});
    }
    list.push_back({{"token", speller.spell(each.id)},
                    {"logprob", *each.logprob},
                    {"bytes", bytes_json(each.bytes)},
                    {"top_logprobs", std::move(top)}});
  }
  return list;
}

class ChatSink final : public OpenAiSink {
 public:
  ChatSink(ExchangePtr exchange, const GenerationParams& params)
      : OpenAiSink(exchange, params,
                   {.id_prefix = "chatcmpl-",
                    .document = "chat.completion",
                    .chunk = "chat.completion.chunk"}),
        speller_(*exchange->service().model().tokenizer),
        texts_(static_cast<size_t>(params.n)) {}

  void begin_texts() override {
    for (int i = 0; i < std::ssize(texts_); ++i)
      write_choice(delta(i, {{"role", "assistant"}, {"content", ""}}, nullptr), {});
  }

  void piece(int choice, Piece piece, const TokenTotals& tokens) override {
    Json entries = params().top_tokens ? entries_json(piece.entries, speller_) : Json::array();
    if (streams()) {
      if (piece.text.empty() && entries.empty()) return;
      write_choice(delta(choice, {{"content", piece.text}}, std::move(entries)), tokens);
      return;
    }
    Text& its = texts_[static_cast<size_t>(choice)];
    its.text += piece.text;
    for (Json& each : entries) its.entries.push_back(std::move(each));
  }

 protected:
  Json whole_choice(int choice) override {
    Text& its = texts_[static_cast<size_t>(choice)];
    return {{"index", choice},
            {"message", {{"role", "assistant"}, {"content", its.text}, {"refusal", nullptr}}},
            {"logprobs", logprobs(std::move(its.entries))}};
  }
  Json last_choice(int choice) override { return delta(choice, Json::object(), nullptr); }

 private:
  struct Text {
    std::string text;
    Json entries = Json::array();
  };
  Json logprobs(Json entries) const {
    if (!params().top_tokens || entries.is_null()) return nullptr;
    return {{"content", std::move(entries)}, {"refusal", nullptr}};
  }
  Json delta(int choice, Json content, Json entries) const {
    return {{"index", choice},
            {"delta", std::move(content)},
            {"logprobs", logprobs(std::move(entries))}};
  }

  const TokenSpeller speller_;
  std::vector<Text> texts_;  // of an answer that is no stream
};

void read_logprobs(Fields& fields, GenerationParams& params) {
  const bool asks = fields.boolean("logprobs").value_or(false);
  const auto top = fields.integer("top_logprobs", 0, kMostTopTokens);
  if (top && *top > 0 && !asks)
    fields.fail(bad_request("'top_logprobs' needs 'logprobs': true", "top_logprobs"));
  if (asks) params.top_tokens = static_cast<int>(top.value_or(0));
}

void check_other_fields(Fields& fields) {
  fields.refuse("continue_final_message", "an answer begins a message of its own", false);
  fields.refuse("chat_template_kwargs", "the template is given messages alone", Json::object());
  fields.refuse("modalities", "answers are text", Json::array({"text"}));
  fields.refuse("audio", "answers are text");
  fields.refuse("prediction", "nothing is predicted here");
  fields.refuse("web_search_options", "the server opens no connections");
  fields.accept_without_effect({"user", "metadata", "store", "prompt_cache_key", "service_tier",
                                "verbosity", "reasoning_effort", "parallel_tool_calls",
                                "cache_prompt", "safety_identifier", "priority"});
  fields.text("model");
}

}  // namespace

void handle_chat(ExchangePtr exchange) {
  const ServedModel& model = exchange->service().model();
  auto body = parse_object(exchange->request().body);
  if (!body.ok()) return exchange->send_error(body.error());
  Fields fields(*body);
  GenerationParams params;
  read_generation(fields, model, {"max_completion_tokens", "max_tokens"}, params);
  read_streaming(fields, params);
  read_logprobs(fields, params);
  params.n = static_cast<int>(fields.integer("n", 1, kMostChoices).value_or(1));
  refuse_constraints(fields);
  refuse_other_samplers(fields);
  check_other_fields(fields);
  const bool add_generation_prompt = fields.boolean("add_generation_prompt").value_or(true);
  const std::vector<ChatMessage> messages = read_messages(fields);
  if (fields.error()) return exchange->send_error(*fields.error());
  auto chat = render_chat(model, messages, add_generation_prompt);
  if (!chat.ok()) return exchange->send_error(chat.error());
  if (auto error = check_length(std::ssize(chat->ids), params.most_tokens, model, "messages"))
    return exchange->send_error(*error);
  exchange->set_ignored(fields.ignored());
  GenerationPlan plan{.prompts = {std::move(chat->ids)},
                      .params = params,
                      .stop_ids = stop_ids_of(model, params, model.end_of_answer)};
  auto sink = std::make_unique<ChatSink>(exchange, params);
  start_generation(std::move(exchange), std::move(plan), std::move(sink));
}

}  // namespace bitnetc::serve
