// POST /v1/chat/completions
#include "tools/serve/api/conversation.h"
#include "tools/serve/api/generation.h"
#include "tools/serve/api/openai_sink.h"
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
  ChatSink(const ExchangePtr& exchange, const GenerationParams& params, const AnswerSyntax& syntax)
      : OpenAiSink(exchange, params,
                   {.id_prefix = "chatcmpl-",
                    .document = "chat.completion",
                    .chunk = "chat.completion.chunk"}),
        speller_(*exchange->service().model().tokenizer),
        answers_(static_cast<size_t>(params.n), Answer{.reader = AnswerReader(syntax)}) {}

  void begin_texts() override {
    for (int i = 0; i < std::ssize(answers_); ++i)
      write_choice(delta(i, {{"role", "assistant"}, {"content", ""}}, nullptr), {});
  }

  void piece(int choice, Piece piece, const TokenTotals& tokens) override {
    Json entries = params().top_tokens ? entries_json(piece.entries, speller_) : Json::array();
    for (const AnswerPart& part : at(choice).reader.push(piece))
      tell(choice, part, std::exchange(entries, Json::array()), tokens);
    if (!entries.empty()) tell(choice, {}, std::move(entries), tokens);
  }

 protected:
  void end_text(int choice, const TokenTotals& tokens) override {
    for (const AnswerPart& part : at(choice).reader.finish())
      tell(choice, part, Json::array(), tokens);
  }
  const char* finish_reason(int choice) const override {
    const AnswerReader& reader = answers_[static_cast<size_t>(choice)].reader;
    return reader.has_calls() && !reader.is_in_call() ? "tool_calls" : "stop";
  }
  Json whole_choice(int choice) override {
    Answer& its = at(choice);
    const bool is_call_alone = its.text.empty() && !its.calls.empty();
    Json message = {{"role", "assistant"},
                    {"content", is_call_alone ? Json(nullptr) : Json(its.text)},
                    {"refusal", nullptr}};
    if (!its.thoughts.empty()) message["reasoning_content"] = its.thoughts;
    if (!its.calls.empty()) message["tool_calls"] = its.calls;
    return {{"index", choice},
            {"message", std::move(message)},
            {"logprobs", logprobs(std::move(its.entries))}};
  }
  Json last_choice(int choice) override { return delta(choice, Json::object(), nullptr); }
  Json usage(const TokenTotals& tokens) const override {
    int64_t thought_tokens = 0;
    for (const Answer& each : answers_) thought_tokens += each.reader.thought_tokens();
    Json usage = usage_json(tokens);
    usage["completion_tokens_details"] = {{"reasoning_tokens", thought_tokens}};
    return usage;
  }

 private:
  struct Answer {
    AnswerReader reader;
    int calls_begun = 0;
    // Of an answer that is no stream.
    std::string text = {}, thoughts = {};
    Json calls = Json::array(), entries = Json::array();
  };
  Answer& at(int choice) { return answers_[static_cast<size_t>(choice)]; }

  void tell(int choice, const AnswerPart& part, Json entries, const TokenTotals& tokens) {
    Answer& its = at(choice);
    switch (part.kind) {
      case AnswerPart::Kind::kText:
        return tell_text(choice, "content", its.text, part.text, std::move(entries), tokens);
      case AnswerPart::Kind::kThought:
        return tell_text(choice, "reasoning_content", its.thoughts, part.text, std::move(entries),
                         tokens);
      case AnswerPart::Kind::kCall: {
        Json call = {{"id", fresh_id("call_")},
                     {"type", "function"},
                     {"function", {{"name", part.text}, {"arguments", ""}}}};
        if (!streams()) return its.calls.push_back(std::move(call));
        Json begun = {{"index", its.calls_begun++}};
        begun.update(call);
        return tell_call(choice, std::move(begun), tokens);
      }
      case AnswerPart::Kind::kArguments:
        if (streams())
          return tell_call(
              choice, {{"index", its.calls_begun - 1}, {"function", {{"arguments", part.text}}}},
              tokens);
        its.calls.back()["function"]["arguments"].get_ref<std::string&>() += part.text;
        return;
      case AnswerPart::Kind::kCallEnd: return;
    }
  }
  // Adds to `whole`, which is called `name`.
  void tell_text(int choice, const char* name, std::string& whole, const std::string& text,
                 Json entries, const TokenTotals& tokens) {
    if (streams()) return write_choice(delta(choice, {{name, text}}, std::move(entries)), tokens);
    whole += text;
    for (Json& each : entries) at(choice).entries.push_back(std::move(each));
  }
  void tell_call(int choice, Json call, const TokenTotals& tokens) {
    write_choice(delta(choice, {{"tool_calls", Json::array({std::move(call)})}}, nullptr), tokens);
  }
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
  std::vector<Answer> answers_;
};

void read_logprobs(Fields& fields, GenerationParams& params) {
  const bool asks = fields.boolean("logprobs").value_or(false);
  const auto top = fields.integer("top_logprobs", 0, kMostTopTokens);
  if (top && *top > 0 && !asks)
    fields.fail(bad_request("'top_logprobs' needs 'logprobs': true", "top_logprobs"));
  if (asks) params.top_tokens = static_cast<int>(top.value_or(0));
}

void check_other_fields(Fields& fields) {
  fields.refuse("modalities", "answers are text", Json::array({"text"}));
  fields.refuse("audio", "answers are text");
  fields.refuse("prediction", "nothing is predicted here");
  fields.refuse("web_search_options", "the server opens no connections");
  fields.accept_without_effect({"user", "metadata", "store", "prompt_cache_key", "service_tier",
                                "verbosity", "cache_prompt", "safety_identifier", "priority"});
  fields.text("model");
}

}  // namespace

void handle_chat(const ExchangePtr& exchange) {
  const ServedModel& model = exchange->service().model();
  auto body = parse_object(exchange->request().body);
  if (!body.ok()) return exchange->send_error(body.error());
  Fields fields(*body);
  GenerationParams params;
  read_generation(fields, model, {"max_completion_tokens", "max_tokens"}, params);
  read_streaming(fields, params);
  read_logprobs(fields, params);
  params.n = static_cast<int>(fields.integer("n", 1, kMostChoices).value_or(1));
  refuse_other_samplers(fields);
  check_other_fields(fields);
  Conversation conversation{.messages = read_messages(fields),
                            .tools = read_tools(fields, ToolStyle::kChat),
                            .constraint = read_constraint(fields),
                            .rendering = read_template_request(fields, model)};
  conversation.rendering.end = read_end(fields);
  read_effort(fields, "reasoning_effort", model, conversation.rendering);
  if (conversation.tools && params.top_tokens)
    fields.fail(bad_request("'logprobs': probabilities of answers that may call tools are not told",
                            "logprobs"));
  if (fields.error()) return exchange->send_error(*fields.error());
  auto plan = make_plan(conversation, params, model, "messages");
  if (!plan.ok()) return exchange->send_error(plan.error());
  exchange->set_ignored(fields.ignored());
  auto sink = std::make_unique<ChatSink>(exchange, params, plan->syntax);
  start_generation(exchange, std::move(plan->generation), std::move(sink));
}

}  // namespace bitnetc::serve
