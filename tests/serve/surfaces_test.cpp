// The surfaces' requests and answers, against a scripted engine.
#include <gtest/gtest.h>

#include "tests/serve/api_fixture.h"

namespace bitnetc::serve::test {
namespace {

class Surfaces : public ApiFixture {
 protected:
  static Json chat_body(Json more = Json::object()) {
    Json body = {{"model", "tiny"},
                 {"messages", Json::array({{{"role", "user"}, {"content", "Hi"}}})}};
    body.update(more);
    return body;
  }
  // The text of a stream of chat chunks; checks what every stream has.
  static std::string chat_text(const Recorder& answer) {
    std::string text;
    const auto events = answer.events();
    EXPECT_EQ(events.back(), "[DONE]");
    const Json first = Json::parse(events.front());
    int finishes = 0;
    for (size_t i = 0; i + 1 < events.size(); ++i) {
      const Json chunk = Json::parse(events[i]);
      for (const char* same : {"id", "object", "created", "model", "system_fingerprint"})
        EXPECT_EQ(chunk[same], first[same]) << same;
      for (const Json& choice : chunk["choices"]) {
        EXPECT_EQ(finishes, 0) << "a chunk behind finish_reason";
        text += choice["delta"].value("content", "");
        finishes += choice["finish_reason"].is_null() ? 0 : 1;
      }
    }
    EXPECT_EQ(finishes, 1);
    EXPECT_EQ(first["choices"][0]["delta"]["role"], "assistant");
    return text;
  }
};

TEST_F(Surfaces, ChatIsRenderedAndAnswered) {
  write("Hello there");
  const auto answer = post("/v1/chat/completions", chat_body({{"max_tokens", 8}, {"foo", 1}}));
  EXPECT_EQ(answer->head.status, 200);
  EXPECT_EQ(*answer->header("content-type"), "application/json");
  EXPECT_EQ(*answer->header("x-bitnetc-ignored"), "foo");
  EXPECT_EQ(*answer->header("x-request-id"), "req-1");
  const Json json = answer->json();
  EXPECT_EQ(json["object"], "chat.completion");
  EXPECT_TRUE(json["created"].is_number_integer());
  EXPECT_EQ(json["choices"][0]["index"], 0);
  EXPECT_EQ(json["choices"][0]["message"]["role"], "assistant");
  EXPECT_EQ(json["choices"][0]["message"]["content"], "Hello there");
  EXPECT_EQ(json["choices"][0]["finish_reason"], "stop");
  const Json usage = json["usage"];
  EXPECT_EQ(usage["prompt_tokens"].get<int>() + usage["completion_tokens"].get<int>(),
            usage["total_tokens"].get<int>());
  EXPECT_EQ(usage["prompt_tokens_details"]["cached_tokens"], 1);
  EXPECT_EQ(engine_->seen.at(0).prompt, chat_ids("user: Hi\nassistant:"));
  EXPECT_EQ(engine_->seen.at(0).most_tokens, 8);
}

TEST_F(Surfaces, ChatStreamsWhatItAnswersAtOnce) {
  write("größer als 🦊 and cats");
  const auto answer = post("/v1/chat/completions", chat_body({{"stream", true}}));
  EXPECT_EQ(*answer->header("content-type"), "text/event-stream");
  EXPECT_FALSE(answer->is_cut);
  EXPECT_EQ(chat_text(*answer), "größer als 🦊 and cats");
  for (const std::string& event : answer->events())
    EXPECT_EQ(event.find("\"usage\""), event.npos) << "usage that nobody asked for";
}

TEST_F(Surfaces, UsageOfAStreamIsItsLastChunkAndNullInTheOthers) {
  write("a b");
  const auto answer =
      post("/v1/chat/completions",
           chat_body({{"stream", true}, {"stream_options", {{"include_usage", true}}}}));
  const auto events = answer->events();
  const Json last = Json::parse(events[events.size() - 2]);
  EXPECT_EQ(last["choices"], Json::array());
  EXPECT_GT(last["usage"]["completion_tokens"], 0);
  for (size_t i = 0; i + 2 < events.size(); ++i)
    EXPECT_TRUE(Json::parse(events[i])["usage"].is_null());
}

TEST_F(Surfaces, LengthAndStopStrings) {
  write("one two three four", /*ends=*/false);
  const auto cut = post("/v1/chat/completions", chat_body({{"max_completion_tokens", 2}}));
  EXPECT_EQ(cut->json()["choices"][0]["finish_reason"], "length");
  const auto stopped = post("/v1/chat/completions", chat_body({{"stop", "two thr"}}));
  EXPECT_EQ(stopped->json()["choices"][0]["message"]["content"], "one ");
  EXPECT_EQ(stopped->json()["choices"][0]["finish_reason"], "stop");
  const auto streamed =
      post("/v1/chat/completions", chat_body({{"stop", "two thr"}, {"stream", true}}));
  EXPECT_EQ(chat_text(*streamed), "one ");
}

TEST_F(Surfaces, ProbabilitiesOfChatHaveTheBytesOfTheText) {
  write("größer 🦊 one two");
  for (const bool stream : {false, true}) {
    const auto answer = post(
        "/v1/chat/completions",
        chat_body({{"logprobs", true}, {"top_logprobs", 2}, {"stop", "two"}, {"stream", stream}}));
    std::string bytes;
    const auto add = [&](const Json& logprobs) {
      if (logprobs.is_null()) return;
      for (const Json& entry : logprobs["content"]) {
        EXPECT_LE(entry["logprob"], 0);
        EXPECT_EQ(entry["top_logprobs"].size(), 2u);
        EXPECT_EQ(entry["top_logprobs"][0]["logprob"], entry["logprob"]);  // the script's are best
        for (const Json& each : entry["bytes"]) bytes += static_cast<char>(each.get<int>());
      }
    };
    if (!stream) {
      add(answer->json()["choices"][0]["logprobs"]);
    } else {
      for (const std::string& event : answer->events())
        if (event != "[DONE]") add(Json::parse(event)["choices"][0]["logprobs"]);
    }
    EXPECT_EQ(bytes, "größer 🦊 one ");
  }
}

TEST_F(Surfaces, SeveralTextsHaveSeedsOneBehindTheOther) {
  write("x");
  const auto answer = post("/v1/chat/completions", chat_body({{"n", 3}, {"seed", 7}}));
  const Json choices = answer->json()["choices"];
  ASSERT_EQ(choices.size(), 3u);
  for (int i = 0; i < 3; ++i) {
    EXPECT_EQ(choices[static_cast<size_t>(i)]["index"], i);
    EXPECT_EQ(engine_->seen.at(static_cast<size_t>(i)).sampling.seed,
              7u + static_cast<uint64_t>(i));
  }
  EXPECT_EQ(answer->json()["usage"]["prompt_tokens"], std::ssize(engine_->seen[0].prompt));
}

TEST_F(Surfaces, SamplingIsWhatTheRequestSays) {
  write("x");
  post("/v1/completions", {{"prompt", "a b c"},
                           {"temperature", 0.5},
                           {"top_k", 4},
                           {"top_p", 0.9},
                           {"min_p", 0.1},
                           {"presence_penalty", 0.1},
                           {"frequency_penalty", 0.2},
                           {"repetition_penalty", 1.1},
                           {"logit_bias", {{"5", -100}, {"6", 2.5}}},
                           {"seed", 18446744073709551615u}});
  const SamplingParams& sampling = engine_->seen.at(0).sampling;
  EXPECT_EQ(sampling.temperature, 0.5);
  EXPECT_EQ(sampling.top_k, 4);
  EXPECT_EQ(sampling.top_p, 0.9);
  EXPECT_EQ(sampling.min_p, 0.1);
  EXPECT_EQ(sampling.presence_penalty, 0.1);
  EXPECT_EQ(sampling.frequency_penalty, 0.2);
  EXPECT_EQ(sampling.repeat_penalty, 1.1);
  EXPECT_EQ(sampling.logit_bias, (std::map<int32_t, double>{{5, -100}, {6, 2.5}}));
  EXPECT_EQ(sampling.seed, ~uint64_t{0});
  EXPECT_EQ(sampling.text_begin, std::ssize(engine_->seen[0].prompt));
  EXPECT_EQ(engine_->seen[0].stop_ids, std::vector<int32_t>{kEndOfText});
  post("/v1/completions", {{"prompt", "a"}, {"ignore_eos", true}});
  EXPECT_TRUE(engine_->seen.at(1).stop_ids.empty());
}

TEST_F(Surfaces, RequestsThatCannotBeHonouredNameTheField) {
  constexpr char kChat[] = "/v1/chat/completions", kText[] = "/v1/completions";
  EXPECT_EQ(blamed(kChat, {{"model", "tiny"}}), "messages");
  EXPECT_EQ(blamed(kChat, chat_body({{"temperature", -1}})), "temperature");
  EXPECT_EQ(blamed(kChat, chat_body({{"n", 9}})), "n");
  EXPECT_EQ(blamed(kChat, chat_body({{"top_logprobs", 2}})), "top_logprobs");
  EXPECT_EQ(blamed(kChat, chat_body({{"max_tokens", 2}, {"max_completion_tokens", 3}})),
            "max_tokens");
  EXPECT_EQ(blamed(kChat, chat_body({{"logit_bias", {{"4096", 1}}}})), "logit_bias");
  EXPECT_EQ(blamed(kChat, chat_body({{"logit_bias", {{"1", 101}}}})), "logit_bias");
  EXPECT_EQ(blamed(kChat, chat_body({{"stream_options", {{"include_usage", 1}}}})),
            "stream_options.include_usage");
  EXPECT_EQ(blamed(kChat, {{"messages",
                            Json::array({{{"role", "user"},
                                          {"content", Json::array({{{"type", "image_url"}}})}}})}}),
            "messages[0].content[0].type");
  const Json silent = Json::array({{{"role", "user"}}});
  EXPECT_EQ(blamed(kChat, {{"messages", silent}}), "messages[0].content");
  EXPECT_EQ(blamed("/v1/responses", {{"input", silent}}), "input[0].content");
  EXPECT_EQ(blamed(kText, Json::object()), "prompt");
  EXPECT_EQ(blamed(kText, {{"prompt", Json::array({1, "a"})}}), "prompt");
  EXPECT_EQ(blamed(kText, {{"prompt", Json::array({1, 4096})}}), "prompt");
  EXPECT_EQ(blamed(kText, {{"prompt", "a"}, {"suffix", "b"}}), "suffix");
  EXPECT_EQ(blamed(kText, {{"prompt", "a"}, {"best_of", 2}}), "best_of");
  EXPECT_EQ(blamed(kText, {{"prompt", "a"}, {"logprobs", 21}}), "logprobs");
  EXPECT_TRUE(engine_->seen.empty());
}

TEST_F(Surfaces, WhatSaysNothingIsAccepted) {
  write("x");
  const auto answer =
      post("/v1/chat/completions", chat_body({{"seed", nullptr},
                                              {"stop", nullptr},
                                              {"tools", nullptr},
                                              {"tool_choice", "auto"},
                                              {"response_format", {{"type", "text"}}},
                                              {"user", "u"},
                                              {"reasoning_effort", "low"}}));
  EXPECT_EQ(answer->head.status, 200);
  EXPECT_EQ(*answer->header("x-bitnetc-ignored"), "user, reasoning_effort");
}

TEST_F(Surfaces, TheContextIsNeverCut) {
  std::vector<int32_t> long_prompt(65, 5);
  for (const bool stream : {false, true}) {
    const auto answer = post("/v1/completions", {{"prompt", long_prompt}, {"stream", stream}});
    EXPECT_EQ(answer->head.status, 400);
    EXPECT_FALSE(answer->is_stream);
    const Json error = answer->json()["error"];
    EXPECT_EQ(error["code"], "context_length_exceeded");
    EXPECT_EQ(error["message"], "the prompt has 65 tokens, the context of this model 64");
  }
  long_prompt.resize(60);
  const auto answer = post("/v1/completions", {{"prompt", long_prompt}, {"max_tokens", 6}});
  EXPECT_EQ(answer->json()["error"]["message"],
            "a prompt of 60 tokens and at most 6 more do not fit in the context of 64 tokens");
  write("x");
  EXPECT_EQ(post("/v1/completions", {{"prompt", long_prompt}, {"max_tokens", 5}})->head.status,
            200);
}

TEST_F(Surfaces, ATemplateThatRefusesIsTheClientsFault) {
  const auto answer = post("/v1/chat/completions",
                           {{"messages", Json::array({{{"role", "stranger"}, {"content", "x"}}})}});
  EXPECT_EQ(answer->head.status, 400);
  EXPECT_NE(answer->head.body.find("who is stranger"), std::string::npos) << answer->head.body;
}

TEST_F(Surfaces, SpecialTokensInMessagesAreText) {
  write("x");
  post("/v1/chat/completions",
       {{"messages", Json::array({{{"role", "user"}, {"content", "<|end_of_text|>"}}})}});
  EXPECT_EQ(std::ranges::count(engine_->seen.at(0).prompt, kEndOfText), 0);
}

TEST_F(Surfaces, FullQueuesFaultsAndShutdown) {
  engine_->refusal = Status(StatusCode::kOutOfMemory, "64 requests wait");
  auto answer = post("/v1/completions", {{"prompt", "a"}, {"stream", true}});
  EXPECT_EQ(answer->head.status, 429);
  EXPECT_NE(answer->header("retry-after"), nullptr);
  engine_->refusal = {};
  engine_->end_instead = EndReason::kTimeout;
  EXPECT_EQ(post("/v1/completions", {{"prompt", "a"}})->head.status, 408);
  engine_->end_instead = EndReason::kCancelled;
  EXPECT_EQ(post("/v1/completions", {{"prompt", "a"}})->head.status, 503);
  engine_->end_instead.reset();
  engine_->failure = Status(StatusCode::kDataCorrupt, "the logits are not finite");
  answer = post("/v1/completions", {{"prompt", "a"}});
  EXPECT_EQ(answer->head.status, 500);
  EXPECT_EQ(*answer->header("x-should-retry"), "false");
}

TEST_F(Surfaces, AFaultInAStreamIsAnEventAndABrokenConnection) {
  write("one two", /*ends=*/false);
  engine_->failure = Status(StatusCode::kDataCorrupt, "the logits are not finite");
  const auto chat = post("/v1/chat/completions", chat_body({{"stream", true}}));
  EXPECT_TRUE(chat->is_cut);
  const Json last = Json::parse(chat->events().back());
  EXPECT_EQ(last["error"]["message"], "the logits are not finite");
  const auto messages = post("/v1/messages", chat_body({{"stream", true}, {"max_tokens", 9}}));
  EXPECT_TRUE(messages->is_cut);
  EXPECT_NE(messages->head.body.find("event: error\n"), std::string::npos);
}

TEST_F(Surfaces, AClientThatGoesCancelsItsRequestsAlone) {
  engine_->holds = true;
  const auto answer = start("POST", "/v1/completions", Json{{"prompt", "a"}, {"n", 2}}.dump());
  answer->go();
  EXPECT_TRUE(engine_->has_cancelled(1));
  EXPECT_TRUE(engine_->has_cancelled(2));
  EXPECT_EQ(logged()["status"], 499);
}

TEST_F(Surfaces, TokensOfRequestsThatDoNotFinishAreLogged) {
  write("one two", /*ends=*/false);
  const auto tokens = std::ssize(engine_->script);
  engine_->holds = true;
  const auto answer =
      start("POST", "/v1/completions", Json{{"prompt", "three four"}, {"stream", true}}.dump());
  answer->wait_for("two");
  answer->go();
  const Json cancelled = logged();
  EXPECT_EQ(cancelled["finish"], "cancelled");
  EXPECT_EQ(cancelled["text_tokens"], tokens);
  EXPECT_EQ(cancelled["prompt_tokens"], ids("three four").size() + 1);
  EXPECT_EQ(cancelled["cached_tokens"], 1);

  const auto ended = [&](EndReason reason) {
    log_.clear();
    engine_->holds = false;
    engine_->end_instead = reason;
    post("/v1/completions", {{"prompt", "three four"}});
    return logged();
  };
  const Json late = ended(EndReason::kTimeout);
  EXPECT_EQ(late["status"], 408);
  EXPECT_EQ(late["finish"], "timeout");
  EXPECT_EQ(late["text_tokens"], tokens);
  EXPECT_EQ(ended(EndReason::kCancelled)["finish"], "shutdown");
}

TEST_F(Surfaces, AClientThatHasGoneBeforeItsRequestIsSubmittedCancelsIt) {
  engine_->holds = true;
  auto recorder = std::make_shared<Recorder>();
  recorder->has_gone = true;
  auto exchange = std::make_shared<Exchange>(
      service_, HttpRequest{.method = "POST", .body = R"({"prompt": "a"})"}, recorder,
      AccessRecord{.id = "req-1"});
  exchange->listen();
  handle_completions(exchange);
  EXPECT_TRUE(engine_->has_cancelled(1));
}

TEST_F(Surfaces, EchoHasTheProbabilitiesOfThePromptAndOneMore) {
  engine_->script = {kEndOfText};
  const std::vector<int32_t> prompt = ids("Once upon a time");
  const auto answer = post("/v1/completions", {{"prompt", Json::array({prompt, prompt})},
                                               {"max_tokens", 1},
                                               {"logprobs", 1},
                                               {"echo", true},
                                               {"temperature", 0}});
  const Json choices = answer->json()["choices"];
  ASSERT_EQ(choices.size(), 2u);
  for (const Json& choice : choices) {
    EXPECT_EQ(choice["text"], "Once upon a time");
    const Json logprobs = choice["logprobs"];
    for (const char* list : {"tokens", "token_logprobs", "top_logprobs", "text_offset"})
      ASSERT_EQ(logprobs[list].size(), prompt.size() + 1) << list;
    EXPECT_TRUE(logprobs["token_logprobs"][0].is_null());
    EXPECT_TRUE(logprobs["top_logprobs"][0].is_null());
    for (size_t i = 1; i <= prompt.size(); ++i) {
      double best = -1e9;
      for (const auto& [text, logprob] : logprobs["top_logprobs"][i].items())
        best = std::max(best, logprob.get<double>());
      EXPECT_GE(best, logprobs["token_logprobs"][i].get<double>());
    }
    // The new token, which the script makes the best, is told by the same number in both.
    EXPECT_EQ(logprobs["tokens"].back(), "<|end_of_text|>");
    EXPECT_EQ(logprobs["top_logprobs"].back()["<|end_of_text|>"],
              logprobs["token_logprobs"].back());
    std::string text;
    for (size_t i = 0; i < prompt.size(); ++i) {
      EXPECT_EQ(logprobs["text_offset"][i], std::ssize(text));
      text += logprobs["tokens"][i].get<std::string>();
    }
  }
}

TEST_F(Surfaces, WhatStandsBeforeATextIsNotAmongItsProbabilities) {
  engine_->script = {kEndOfText};
  const auto prefix = tokenizer_->prefix();
  ASSERT_FALSE(prefix.empty());
  const Json body = {{"prompt", "Once upon"}, {"max_tokens", 1}, {"logprobs", 0}, {"echo", true}};
  const auto answer = post("/v1/completions", body);
  EXPECT_EQ(engine_->seen.at(0).prompt.front(), prefix.front());
  const Json logprobs = answer->json()["choices"][0]["logprobs"];
  EXPECT_EQ(logprobs["tokens"].size(), ids("Once upon").size() + 1);
  EXPECT_TRUE(logprobs["token_logprobs"][0].is_null());
  post("/v1/completions", {{"prompt", "Once upon"}, {"add_special_tokens", false}});
  EXPECT_EQ(engine_->seen.at(1).prompt, ids("Once upon"));
}

TEST_F(Surfaces, CompletionsStreamWhatTheyAnswerAtOnce) {
  write(" there was 🦊 a king");
  Json body = {{"prompt", Json::array({"Once", "Twice"})}, {"logprobs", 1}, {"echo", true}};
  const Json plain = post("/v1/completions", body)->json()["choices"];
  body["stream"] = true;
  const auto answer = post("/v1/completions", body);
  std::vector<std::string> texts(2);
  std::vector<Json> offsets(2, Json::array());
  for (const std::string& event : answer->events()) {
    if (event == "[DONE]") continue;
    const Json chunk = Json::parse(event);
    for (const Json& choice : chunk["choices"]) {
      const auto index = choice["index"].get<size_t>();
      texts.at(index) += choice["text"].get<std::string>();
      for (const Json& each : choice["logprobs"]["text_offset"]) offsets[index].push_back(each);
    }
  }
  for (size_t i = 0; i < 2; ++i) {
    EXPECT_EQ(texts[i], plain[i]["text"].get<std::string>());
    EXPECT_EQ(offsets[i], plain[i]["logprobs"]["text_offset"]);
  }
  EXPECT_EQ(texts[1], "Twice there was 🦊 a king");
}

}  // namespace
}  // namespace bitnetc::serve::test
