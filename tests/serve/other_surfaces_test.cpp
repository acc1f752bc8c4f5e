// Anthropic's messages, responses, llama.cpp's completion, tokenizing, embeddings, state.
#include <gtest/gtest.h>

#include "tests/serve/api_fixture.h"

namespace bitnetc::serve::test {
namespace {

class OtherSurfaces : public ApiFixture {
 protected:
  static Json messages_body(Json more = Json::object()) {
    Json body = {{"model", "tiny"},
                 {"max_tokens", 20},
                 {"messages", Json::array({{{"role", "user"}, {"content", "Hi"}}})}};
    body.update(more);
    return body;
  }
  // The names of the events, and what they hold.
  static std::vector<std::pair<std::string, Json>> named_events(const Recorder& answer) {
    std::vector<std::pair<std::string, Json>> events;
    std::istringstream lines(answer.head.body);
    std::string name;
    for (std::string line; std::getline(lines, line);) {
      if (line.starts_with("event: ")) name = line.substr(7);
      if (line.starts_with("data: ")) events.push_back({name, Json::parse(line.substr(6))});
    }
    return events;
  }
};

TEST_F(OtherSurfaces, MessagesAreAnswered) {
  write("Hello");
  const Json system = Json::array({{{"type", "text"}, {"text", "Be brief"}}});
  Json json = post("/v1/messages", messages_body({{"system", system}}))->json();
  EXPECT_EQ(json["type"], "message");
  EXPECT_EQ(json["content"], Json::array({{{"type", "text"}, {"text", "Hello"}}}));
  EXPECT_EQ(json["stop_reason"], "end_turn");
  EXPECT_TRUE(json["stop_sequence"].is_null());
  EXPECT_EQ(engine_->seen.at(0).prompt, chat_ids("system: Be brief\nuser: Hi\nassistant:"));
  EXPECT_EQ(json["usage"]["input_tokens"].get<int64_t>() +
                json["usage"]["cache_read_input_tokens"].get<int64_t>(),
            std::ssize(engine_->seen[0].prompt));
  Json billed = Json::array({{{"type", "text"}, {"text", "x-anthropic-billing-header: cch=7f;"}}});
  billed.push_back(system[0]);
  post("/v1/messages", messages_body({{"system", billed}}));
  EXPECT_EQ(engine_->seen.at(1).prompt, engine_->seen.at(0).prompt);
  post("/v1/messages",
       messages_body({{"system", "x-anthropic-billing-header: cch=7f;\nBe brief"}}));
  EXPECT_EQ(engine_->seen.at(2).prompt, engine_->seen.at(0).prompt);
  json = post("/v1/messages", messages_body({{"stop_sequences", Json::array({"lo"})}}))->json();
  EXPECT_EQ(json["stop_reason"], "stop_sequence");
  EXPECT_EQ(json["stop_sequence"], "lo");
  json = post("/v1/messages", messages_body({{"max_tokens", 1}}))->json();
  EXPECT_EQ(json["stop_reason"], "max_tokens");
}

TEST_F(OtherSurfaces, MessagesStreamWithNamedEvents) {
  write("Hello there");
  const auto events = named_events(*post("/v1/messages", messages_body({{"stream", true}})));
  std::string text;
  std::vector<std::string> names;
  for (const auto& [name, data] : events) {
    EXPECT_EQ(data["type"], name);
    if (names.empty() || names.back() != name) names.push_back(name);
    if (name == "content_block_delta") text += data["delta"]["text"].get<std::string>();
  }
  EXPECT_EQ(text, "Hello there");
  EXPECT_EQ(names,
            (std::vector<std::string>{"message_start", "content_block_start", "content_block_delta",
                                      "content_block_stop", "message_delta", "message_stop"}));
  EXPECT_EQ(events[0].second["message"]["content"], Json::array());
  EXPECT_EQ(events[1].second["content_block"]["text"], "");
  const Json delta = events[events.size() - 2].second;
  EXPECT_TRUE(delta["usage"]["input_tokens"].is_number_integer());
  EXPECT_EQ(delta["delta"]["stop_reason"], "end_turn");
}

TEST_F(OtherSurfaces, MessagesErrorsAreAnthropics) {
  for (const Json& more : {Json{{"max_tokens", nullptr}}, Json{{"tools", Json::array({1})}},
                           Json{{"thinking", {{"type", 1}}}},
                           Json{{"output_config", {{"format", {{"type", "json_schema"}}}}}}}) {
    const auto answer = post("/v1/messages", messages_body(more));
    EXPECT_EQ(answer->head.status, 400) << more.dump();
    EXPECT_EQ(answer->json()["type"], "error");
    EXPECT_EQ(answer->json()["error"]["type"], "invalid_request_error");
  }
  const auto count = post("/v1/messages/count_tokens", messages_body({{"max_tokens", nullptr}}));
  EXPECT_EQ(count->json()["input_tokens"], std::ssize(chat_ids("user: Hi\nassistant:")));
}

TEST_F(OtherSurfaces, ResponsesAreAnswered) {
  write("Hello");
  const Json json = post("/v1/responses", {{"input", "Hi"}, {"instructions", "Be brief"}})->json();
  EXPECT_EQ(json["object"], "response");
  EXPECT_EQ(json["status"], "completed");
  EXPECT_EQ(json["output"][0]["content"][0]["text"], "Hello");
  EXPECT_EQ(json["output"][0]["content"][0]["annotations"], Json::array());
  EXPECT_EQ(json["instructions"], "Be brief");
  EXPECT_EQ(engine_->seen.at(0).prompt, chat_ids("system: Be brief\nuser: Hi\nassistant:"));
  for (const char* field : {"previous_response_id", "conversation"})
    EXPECT_EQ(blamed("/v1/responses", {{"input", "Hi"}, {field, "x"}}), field);
  EXPECT_EQ(blamed("/v1/responses", {{"input", "Hi"}, {"background", true}}), "background");
  EXPECT_EQ(
      blamed("/v1/responses", {{"input", "Hi"}, {"text", {{"format", {{"type", "json_schema"}}}}}}),
      "text.format.schema");
  const Json count = post("/v1/responses/input_tokens", {{"input", "Hi"}})->json();
  EXPECT_EQ(count["object"], "response.input_tokens");
}

TEST_F(OtherSurfaces, ResponsesStreamCountsAndAnnouncesWhatComes) {
  write("Hello there", /*ends=*/false);
  const auto events = named_events(
      *post("/v1/responses", {{"input", "Hi"}, {"stream", true}, {"max_output_tokens", 30}}));
  std::vector<std::string> names;
  std::string text;
  for (size_t i = 0; i < events.size(); ++i) {
    const auto& [name, data] = events[i];
    EXPECT_EQ(data["type"], name);
    EXPECT_EQ(data["sequence_number"], i);
    if (names.empty() || names.back() != name) names.push_back(name);
    if (name.starts_with("response.output_text") || name.starts_with("response.content_part")) {
      EXPECT_EQ(data["output_index"], 0);
      EXPECT_EQ(data["content_index"], 0);
    }
    if (name == "response.output_text.delta") text += data["delta"].get<std::string>();
  }
  EXPECT_EQ(text, "Hello there");
  EXPECT_EQ(names, (std::vector<std::string>{
                       "response.created", "response.in_progress", "response.output_item.added",
                       "response.content_part.added", "response.output_text.delta",
                       "response.output_text.done", "response.content_part.done",
                       "response.output_item.done", "response.incomplete"}));
  EXPECT_EQ(events[0].second["response"]["output"], Json::array());
  const Json whole = events.back().second["response"];
  EXPECT_EQ(whole["output"][0]["content"][0]["text"], "Hello there");
  EXPECT_EQ(whole["incomplete_details"]["reason"], "max_output_tokens");
}

TEST_F(OtherSurfaces, NativeCompletion) {
  write(" there was", /*ends=*/true);
  const Json json =
      post("/completion",
           {{"prompt", "Once"}, {"n_predict", 9}, {"n_probs", 2}, {"return_tokens", true}})
          ->json();
  EXPECT_EQ(json["content"], " there was");
  EXPECT_EQ(json["stop_type"], "eos");
  EXPECT_EQ(json["tokens"], Json(ids(" there was")));
  EXPECT_EQ(json["completion_probabilities"].size(), ids(" there was").size());
  EXPECT_EQ(json["generation_settings"]["n_predict"], 9);
  const auto streamed = post("/completion", {{"prompt", "Once"}, {"stream", true}});
  const auto events = streamed->events();
  EXPECT_EQ(Json::parse(events.back())["stop"], true);
  EXPECT_EQ(Json::parse(events.front())["stop"], false);
}

TEST_F(OtherSurfaces, TokenizingKnowsSpecialTokens) {
  Json json =
      post("/tokenize", {{"prompt", "<|end_of_text|>"}, {"add_special_tokens", false}})->json();
  EXPECT_EQ(json["tokens"], Json::array({kEndOfText}));
  json = post("/tokenize", {{"content", "Once upon"}})->json();
  EXPECT_EQ(json["tokens"], Json(ids("Once upon")));
  json = post("/tokenize", {{"prompt", "Once"}})->json();
  EXPECT_EQ(json["count"], 1 + ids("Once").size());  // begin-of-text
  EXPECT_EQ(json["max_model_len"], 64);
  json = post("/detokenize", {{"tokens", ids("größer 🦊")}})->json();
  EXPECT_EQ(json["prompt"], "größer 🦊");
  EXPECT_EQ(blamed("/detokenize", {{"tokens", Json::array({1, -1})}}), "tokens");
  EXPECT_EQ(get("/tokenizer_info")->json()["eos_token"], "<|end_of_text|>");
  json = post("/apply-template",
              {{"messages", Json::array({{{"role", "developer"}, {"content", "x"}}})}})
             ->json();
  EXPECT_EQ(json["prompt"], "system: x\nassistant:");
}

TEST_F(OtherSurfaces, AModelThatWritesTextMakesNoVectors) {
  const auto answer = post("/v1/embeddings", {{"input", "a"}});
  EXPECT_EQ(answer->head.status, 400);
  EXPECT_EQ(answer->json()["error"]["code"], "no_text_encoder");
}

TEST_F(OtherSurfaces, VectorsComeInTheOrderOfTheTexts) {
  serve_encoder();
  EXPECT_EQ(blamed("/v1/chat/completions",
                   {{"messages", Json::array({{{"role", "user"}, {"content", "a"}}})}}),
            "model");
  const std::vector<int32_t> one = {7};
  const std::vector<int32_t> three = {7, 8, 9};
  Json json = post("/v1/embeddings", {{"input", Json::array({three, one})}})->json();
  ASSERT_EQ(json["data"].size(), 2u);
  EXPECT_EQ(json["data"][0]["embedding"], Json::array({3.0, 0.5, -1.0}));
  EXPECT_EQ(json["data"][1]["embedding"], Json::array({1.0, 0.5, -1.0}));
  EXPECT_EQ(json["data"][1]["index"], 1);
  EXPECT_EQ(json["usage"]["total_tokens"], 4);
  json = post("/v1/embeddings", {{"input", three}, {"encoding_format", "base64"}})->json();
  EXPECT_EQ(json["data"][0]["embedding"], "AABAQAAAAD8AAIC/");
  EXPECT_EQ(blamed("/v1/embeddings", {{"input", "a"}, {"dimensions", 2}}), "dimensions");
  EXPECT_EQ(blamed("/v1/embeddings", {{"input", "a"}, {"encoding_format", "x"}}),
            "encoding_format");
  EXPECT_EQ(blamed("/v1/embeddings", {{"input", std::vector<int32_t>(65, 1)}}), "input");
  EXPECT_EQ(post("/v1/embeddings", {{"input", "a cat"}, {"dimensions", 3}})->head.status, 200);
}

TEST_F(OtherSurfaces, ModelsHealthAndMetrics) {
  const Json list = get("/v1/models")->json();
  EXPECT_EQ(list["data"][0]["id"], "tiny");
  EXPECT_EQ(list["data"][0]["max_model_len"], 64);
  EXPECT_EQ(get("/v1/models/tiny")->json()["object"], "model");
  const auto missing = get("/v1/models/a%2Fb:c");
  EXPECT_EQ(missing->head.status, 404);
  EXPECT_EQ(missing->json()["error"]["code"], "model_not_found");
  EXPECT_EQ(get("/health")->json()["status"], "ok");
  EXPECT_EQ(get("/props")->json()["total_slots"], 4);
  EXPECT_EQ(get("/slots")->json().size(), 4u);
  const std::string metrics = get("/metrics")->head.body;
  for (const char* name : {"vllm:num_requests_running", "vllm:num_requests_waiting",
                           "vllm:kv_cache_usage_perc", "vllm:cache_config_info",
                           "bitnetc_requests_total{code=\"200\",finish=\"\",route=\"/health\"} 1"})
    EXPECT_NE(metrics.find(name), std::string::npos) << name << "\n" << metrics;
  service_.set_draining();
  EXPECT_EQ(get("/health")->head.status, 503);
  EXPECT_EQ(get("/livez")->head.status, 200);
}

TEST(AccessLog, NeverHoldsWhatWasSaid) {
  const AccessRecord record{.id = "req-1",
                            .method = "POST",
                            .route = "/v1/completions",
                            .key = "key2",
                            .status = 200,
                            .finish = "stop",
                            .prompt_tokens = 5,
                            .cached_tokens = 2,
                            .text_tokens = 7,
                            .first_token_s = 0.25,
                            .total_s = 1.5};
  const Json json = Json::parse(format_access(record, LogFormat::kJson));
  EXPECT_EQ(json["key"], "key2");
  EXPECT_EQ(json["text_tokens"], 7);
  const std::string line = format_access(record, LogFormat::kText);
  EXPECT_NE(line.find("POST /v1/completions 200 1.500 s, stop after 7 tokens for 5 (2 cached), "
                      "first after 0.250 s, key2, req-1\n"),
            line.npos)
      << line;
  const AccessRecord lost{.id = "req-2", .method = "GET", .route = "?", .path = "/no\nwhere"};
  EXPECT_NE(format_access(lost, LogFormat::kText).find("/no\\x0awhere"), line.npos);
  EXPECT_EQ(Json::parse(message_as_json("note: a\nb\n"))["message"], "note: a\nb");
}

}  // namespace
}  // namespace bitnetc::serve::test
