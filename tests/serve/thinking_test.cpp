// Models that think before they answer: thoughts apart from answers on every surface, requests that
// give them back, and what requests say of the template.
#include <gtest/gtest.h>

#include "tests/serve/api_fixture.h"

namespace bitnetc::serve::test {
namespace {

constexpr char kChat[] = "/v1/chat/completions", kMessages[] = "/v1/messages",
               kResponses[] = "/v1/responses", kApply[] = "/apply-template";

// Opens the block itself where `opens` says so, and closes it where nothing is to be thought.
constexpr char kThinkTemplate[] =
    "{% if reasoning_effort %}effort {{ reasoning_effort }}\n{% endif %}"
    "{% for m in messages %}{{ m.role }}: {% if m.reasoning_content %}<think>"
    "{{ m.reasoning_content }}</think>{% endif %}{{ m.content }}\n{% endfor %}"
    "{% if add_generation_prompt %}assistant:{% if enable_thinking is defined and not "
    "enable_thinking %}<think>\n\n</think>\n{% elif opens %}<think>\n{% endif %}{% endif %}";

class Thinking : public ApiFixture {
 protected:
  Thinking() : ApiFixture(/*context=*/2048) { serve_template(kThinkTemplate, 2048); }

  static Json body(Json more = Json::object()) {
    Json body = {{"max_tokens", 900},
                 {"messages", Json::array({{{"role", "user"}, {"content", "Hi"}}})}};
    body.update(more);
    return body;
  }
  int64_t count(const std::string& text) const { return std::ssize(ids(text)); }
  std::string prompt() const {
    return *tokenizer_->decode(engine_->seen.back().prompt, /*skip_special=*/true);
  }
  Json choice(const Json& request) {
    const auto answer = post(kChat, request);
    EXPECT_EQ(answer->head.status, 200) << answer->head.body;
    return answer->json()["choices"][0];
  }
  // What the deltas of a stream add up to: {"content", "reasoning_content"}.
  std::pair<std::string, std::string> streamed(Json request) {
    request["stream"] = true;
    std::pair<std::string, std::string> texts;
    for (const std::string& event : post(kChat, request)->events()) {
      if (event == "[DONE]") break;
      const Json chunk = Json::parse(event);
      for (const Json& each : chunk["choices"]) {
        const Json& delta = each["delta"];
        texts.first += delta.value("content", "");
        texts.second += delta.value("reasoning_content", "");
        EXPECT_FALSE(delta.contains("reasoning_content") && delta.contains("content"));
      }
    }
    return texts;
  }
  // Names and data of the events of a stream.
  std::vector<Json> events(const std::string& target, Json request) {
    request["stream"] = true;
    std::vector<Json> list;
    for (const std::string& event : post(target, request)->events())
      if (event != "[DONE]") list.push_back(Json::parse(event));
    return list;
  }

  static constexpr char kText[] = "<think>\nI add.\n</think>\n\nIt is 4.";
  static constexpr char kCall[] =
      "<tool_call>\n{\"name\": \"add\", \"arguments\": {}}\n</tool_call>";
  static inline const Json kTools =
      Json::array({{{"type", "function"}, {"function", {{"name", "add"}}}}});
  static inline const Json kInteger = {
      {"response_format", {{"type", "json_schema"}, {"schema", {{"type", "integer"}}}}}};
};

TEST_F(Thinking, ChatTellsThoughtsApart) {
  write(kText);
  const auto answer = post(kChat, body());
  const Json message = answer->json()["choices"][0]["message"];
  EXPECT_EQ(message["content"], "It is 4.");
  EXPECT_EQ(message["reasoning_content"], "I add.");
  const Json usage = answer->json()["usage"];
  EXPECT_EQ(usage["completion_tokens"], count(kText) + 1);
  EXPECT_EQ(usage["completion_tokens_details"]["reasoning_tokens"],
            count("<think>\nI add.\n</think>"));
  EXPECT_EQ(streamed(body()), (std::pair<std::string, std::string>{"It is 4.", "I add."}));
  const auto last = events(kChat, body({{"stream_options", {{"include_usage", true}}}, {"n", 2}}));
  EXPECT_EQ(last.back()["usage"]["completion_tokens_details"]["reasoning_tokens"],
            2 * count("<think>\nI add.\n</think>"));
}

TEST_F(Thinking, TextsWithoutABlockAndBlocksWithoutAnAnswer) {
  write("It is <think>4</think>.");
  Json message = choice(body())["message"];
  EXPECT_EQ(message["content"], "It is <think>4</think>.");
  EXPECT_FALSE(message.contains("reasoning_content"));
  write("<think>\nI add", /*ends=*/false);
  const Json cut = choice(body());
  EXPECT_EQ(cut["finish_reason"], "length");
  EXPECT_EQ(cut["message"]["content"], "");
  EXPECT_EQ(cut["message"]["reasoning_content"], "I add");
  write("<think>\n\n</think>\n\nYes");
  message = choice(body())["message"];
  EXPECT_EQ(message["content"], "Yes");
  EXPECT_FALSE(message.contains("reasoning_content"));
  write(" <thin");
  EXPECT_EQ(choice(body())["message"]["content"], " <thin");
}

TEST_F(Thinking, PromptsOpenAndCloseTheBlock) {
  write("I add.\n</think>\n4");
  const Json opens = {{"chat_template_kwargs", {{"opens", true}}}};
  const Json message = choice(body(opens))["message"];
  EXPECT_TRUE(prompt().ends_with("assistant:<think>\n")) << prompt();
  EXPECT_EQ(message["content"], "4");
  EXPECT_EQ(message["reasoning_content"], "I add.");
  EXPECT_EQ(streamed(body(opens)), (std::pair<std::string, std::string>{"4", "I add."}));
  write("<think>4</think>");
  EXPECT_EQ(choice(body({{"reasoning_effort", "none"}}))["message"]["content"], "<think>4</think>");
  EXPECT_TRUE(prompt().ends_with("<think>\n\n</think>\n")) << prompt();
}

TEST_F(Thinking, ARequestMayWantTheTextAsItIs) {
  write(kText);
  for (const char* format : {"auto", "deepseek"})
    EXPECT_EQ(choice(body({{"reasoning_format", format}}))["message"]["content"], "It is 4.");
  EXPECT_EQ(choice(body({{"reasoning_format", "none"}}))["message"]["content"], kText);
  EXPECT_EQ(streamed(body({{"reasoning_format", "none"}})).first, kText);
  EXPECT_EQ(blamed(kChat, body({{"reasoning_format", "hidden"}})), "reasoning_format");
  serve_template(kTemplate, 2048);
  write(kText);
  EXPECT_EQ(choice(body())["message"]["content"], kText) << "the template knows no thoughts";
}

TEST_F(Thinking, ProbabilitiesAndStopsAreOfTheWholeText) {
  write(kText);
  const Json with_logprobs = body({{"logprobs", true}});
  EXPECT_EQ(choice(with_logprobs)["logprobs"]["content"].size(), ids(kText).size());
  size_t entries = 0;
  for (const std::string& event :
       post(kChat, body({{"logprobs", true}, {"stream", true}}))->events()) {
    if (event == "[DONE]") break;
    const Json logprobs = Json::parse(event)["choices"][0]["logprobs"];
    if (logprobs.is_object()) entries += logprobs["content"].size();
  }
  EXPECT_EQ(entries, ids(kText).size());
  const Json stopped = choice(body({{"stop", "add"}}));
  EXPECT_EQ(stopped["message"]["reasoning_content"], "I ");
  EXPECT_EQ(stopped["finish_reason"], "stop");
  EXPECT_EQ(choice(body({{"stop", " is"}}))["message"]["content"], "It");
}

TEST_F(Thinking, ACallThatIsOnlyThoughtOfIsNone) {
  write(std::string("<think>\nShall I ") + kCall + "?\n</think>\n\nYes.\n" + kCall);
  const Json tools = body({{"tools", kTools}});
  const Json answer = choice(tools);
  EXPECT_EQ(answer["finish_reason"], "tool_calls");
  EXPECT_EQ(answer["message"]["reasoning_content"], std::string("Shall I ") + kCall + "?");
  EXPECT_EQ(answer["message"]["content"], "Yes.");
  EXPECT_EQ(answer["message"]["tool_calls"].size(), 1u);
  EXPECT_TRUE(lets(std::string("<think>\n<tool_call></think>\n\n") + kCall));
  EXPECT_TRUE(lets("<think>a</think>b"));
  EXPECT_FALSE(lets("<think>a</think><tool_call>b"));
  const Json message =
      post(kMessages, body({{"tools", Json::array({{{"name", "add"}, {"input_schema", {}}}})}}))
          ->json();
  std::vector<std::string> types;
  for (const Json& block : message["content"]) types.push_back(block["type"]);
  EXPECT_EQ(types, (std::vector<std::string>{"thinking", "text", "tool_use"})) << message.dump();
}

TEST_F(Thinking, FormsBindWhatComesBehindTheBlock) {
  write("<think>\nI add.\n</think>\n\n12");
  EXPECT_EQ(choice(body(kInteger))["message"]["content"], "12");
  EXPECT_TRUE(lets("12"));
  EXPECT_TRUE(lets("<think>\nwhat</think>\n\n12"));
  EXPECT_FALSE(lets("<think>\nwhat</think>\n\ntwelve"));
  EXPECT_FALSE(lets("<think>12"));
  Json more = kInteger;
  more["chat_template_kwargs"] = {{"opens", true}};
  post(kChat, body(more));
  EXPECT_FALSE(lets("12"));
  EXPECT_TRUE(lets("what</think>12"));
  more["chat_template_kwargs"] = {{"enable_thinking", false}};
  post(kChat, body(more));
  EXPECT_TRUE(lets("12"));
  EXPECT_FALSE(lets("<think></think>12"));
  more = kInteger;
  more["reasoning_format"] = "none";
  post(kChat, body(more));
  EXPECT_FALSE(lets("<think></think>12"));
}

TEST_F(Thinking, MessagesHaveBlocksOfThoughts) {
  write(kText);
  const Json enabled = {{"thinking", {{"type", "enabled"}, {"budget_tokens", 1024}}}};
  const auto answer = post(kMessages, body(enabled));
  EXPECT_EQ(answer->json()["content"],
            Json::parse(R"([{"type": "thinking", "thinking": "I add.", "signature": ""},
                            {"type": "text", "text": "It is 4."}])"));
  EXPECT_EQ(*answer->header("x-bitnetc-ignored"), "thinking.budget_tokens");
  std::string thoughts, text;
  std::vector<std::pair<int64_t, std::string>> begun;
  for (const Json& event : events(kMessages, body(enabled))) {
    if (event["type"] == "content_block_start")
      begun.emplace_back(event["index"], event["content_block"]["type"]);
    if (event["type"] != "content_block_delta") continue;
    const bool thinks = event["delta"]["type"] == "thinking_delta";
    EXPECT_EQ(event["index"], thinks ? 0 : 1);
    (thinks ? thoughts : text) += event["delta"][thinks ? "thinking" : "text"];
  }
  EXPECT_EQ(begun, (std::vector<std::pair<int64_t, std::string>>{{0, "thinking"}, {1, "text"}}));
  EXPECT_EQ(thoughts, "I add.");
  EXPECT_EQ(text, "It is 4.");
  post(kMessages, body({{"thinking", {{"type", "disabled"}}}}));
  EXPECT_TRUE(prompt().ends_with("<think>\n\n</think>\n")) << prompt();
  EXPECT_EQ(post(kMessages, body({{"thinking", {{"type", "adaptive"}}}}))->head.status, 200);
  for (const Json& bad : {Json{{"type", "on"}}, Json{{"type", 1}}, Json("enabled"),
                          Json{{"type", "enabled"}, {"budget_tokens", "many"}}})
    EXPECT_EQ(post(kMessages, body({{"thinking", bad}}))->head.status, 400) << bad.dump();
  // Clients ask for thoughts whatever the model is.
  serve_template(kTemplate, 2048);
  write(kText);
  const auto plain = post(kMessages, body(enabled));
  EXPECT_EQ(plain->json()["content"], Json::array({{{"type", "text"}, {"text", kText}}}));
  EXPECT_EQ(*plain->header("x-bitnetc-ignored"), "thinking.type, thinking.budget_tokens");
}

TEST_F(Thinking, ResponsesHaveItemsOfThoughts) {
  write(kText);
  const Json request = {{"input", "Hi"}, {"reasoning", {{"effort", "low"}, {"summary", "auto"}}}};
  const auto answer = post(kResponses, request);
  const Json whole = answer->json();
  ASSERT_EQ(whole["output"].size(), 2u) << whole.dump();
  const Json thoughts = whole["output"][0];
  EXPECT_EQ(thoughts["type"], "reasoning");
  EXPECT_EQ(thoughts["summary"], Json::array());
  EXPECT_EQ(thoughts["content"], Json::parse(R"([{"type": "reasoning_text", "text": "I add."}])"));
  EXPECT_EQ(whole["output"][1]["content"][0]["text"], "It is 4.");
  EXPECT_EQ(whole["usage"]["output_tokens_details"]["reasoning_tokens"],
            count("<think>\nI add.\n</think>"));
  EXPECT_EQ(whole["reasoning"]["effort"], "low");
  EXPECT_EQ(*answer->header("x-bitnetc-ignored"), "reasoning.summary");
  EXPECT_TRUE(prompt().starts_with("effort low\n")) << prompt();
  std::vector<std::string> names;
  std::string text;
  for (const Json& event : events(kResponses, request)) {
    const std::string name = event["type"];
    if (names.empty() || names.back() != name) names.push_back(name);
    if (name == "response.reasoning_text.delta") {
      EXPECT_EQ(event["output_index"], 0);
      EXPECT_EQ(event["content_index"], 0);
      text += event["delta"].get<std::string>();
    }
    if (name == "response.output_text.delta") {
      EXPECT_EQ(event["output_index"], 1);
    }
  }
  EXPECT_EQ(text, "I add.");
  EXPECT_EQ(names, (std::vector<std::string>{
                       "response.created", "response.in_progress", "response.output_item.added",
                       "response.content_part.added", "response.reasoning_text.delta",
                       "response.reasoning_text.done", "response.content_part.done",
                       "response.output_item.done", "response.output_item.added",
                       "response.content_part.added", "response.output_text.delta",
                       "response.output_text.done", "response.content_part.done",
                       "response.output_item.done", "response.completed"}));
}

TEST_F(Thinking, VariablesReachTheTemplate) {
  const auto rendered = [&](const Json& more) {
    const auto answer = post(kApply, body(more));
    EXPECT_EQ(answer->head.status, 200) << answer->head.body;
    return answer->json()["prompt"].get<std::string>();
  };
  const auto with = [](const Json& kwargs) { return Json{{"chat_template_kwargs", kwargs}}; };
  EXPECT_EQ(rendered(with({{"enable_thinking", false}})),
            "user: Hi\nassistant:<think>\n\n</think>\n");
  EXPECT_EQ(rendered(with({{"opens", true}, {"enable_thinking", true}})),
            "user: Hi\nassistant:<think>\n");
  EXPECT_EQ(rendered(with(Json::object())), "user: Hi\nassistant:");
  write("4");
  for (const auto& [effort, begin, end] :
       {std::tuple{"high", "effort high\n", ":"}, std::tuple{"none", "user", "</think>\n"}}) {
    ASSERT_EQ(post(kChat, body({{"reasoning_effort", effort}}))->head.status, 200);
    EXPECT_TRUE(prompt().starts_with(begin) && prompt().ends_with(end)) << prompt();
  }
  // What is said of the variable itself holds.
  post(kChat,
       body({{"reasoning_effort", "none"}, {"chat_template_kwargs", {{"enable_thinking", true}}}}));
  EXPECT_TRUE(prompt().ends_with("assistant:")) << prompt();
  EXPECT_EQ(*post(kMessages, body(with({{"color", "red"}})))->header("x-bitnetc-ignored"),
            "chat_template_kwargs.color");
  for (const char* name : {"messages", "tools", "bos_token", "add_generation_prompt", "range"})
    EXPECT_EQ(blamed(kChat, body(with({{name, 1}}))), std::string("chat_template_kwargs.") + name);
  EXPECT_EQ(blamed(kChat, body(with(Json::array()))), "chat_template_kwargs");
  EXPECT_EQ(blamed(kChat, body({{"reasoning_effort", 1}})), "reasoning_effort");
}

TEST_F(Thinking, AnAnswerGoesOn) {
  write(" three.");
  const Json messages = Json::parse(R"([{"role": "user", "content": "Count"},
                                        {"role": "assistant", "content": "One, two,"}])");
  const Json goes_on = {{"messages", messages}, {"continue_final_message", true}};
  EXPECT_EQ(choice(goes_on)["message"]["content"], " three.");
  EXPECT_EQ(engine_->seen.back().prompt, chat_ids("user: Count\nassistant: One, two,"));
  Json both = goes_on;
  both["add_generation_prompt"] = false;
  EXPECT_EQ(post(kApply, both)->json()["prompt"], "user: Count\nassistant: One, two,");
  both["add_generation_prompt"] = true;
  EXPECT_EQ(blamed(kChat, both), "continue_final_message");
  EXPECT_EQ(blamed(kChat, body({{"continue_final_message", true}})), "messages");
  // A prefill.
  post(kMessages, {{"max_tokens", 9}, {"messages", messages}});
  EXPECT_EQ(engine_->seen.back().prompt, chat_ids("user: Count\nassistant: One, two,"));
  EXPECT_EQ(post("/v1/messages/count_tokens", {{"messages", messages}})->json()["input_tokens"],
            std::ssize(engine_->seen.back().prompt));
}

TEST_F(Thinking, AnAnswerGoesOnToThink) {
  write(" it.\n</think>\n4");
  const Json messages = Json::parse(R"([{"role": "user", "content": "2+2?"},
                                        {"role": "assistant", "content": "<think>\nI add"}])");
  const Json message =
      choice({{"messages", messages}, {"continue_final_message", true}})["message"];
  EXPECT_EQ(message["reasoning_content"], " it.");
  EXPECT_EQ(message["content"], "4");
}

TEST_F(Thinking, ThoughtsAreGivenBackToTheTemplate) {
  write("5");
  const std::string expected =
      "user: 2+2?\nassistant: <think>I add.</think>4\nuser: 2+3?\nassistant:";
  const Json question = {{"role", "user"}, {"content", "2+2?"}},
             next = {{"role", "user"}, {"content", "2+3?"}};
  const Json answer = {{"role", "assistant"}, {"content", "4"}, {"reasoning_content", "I add."}};
  ASSERT_EQ(post(kChat, {{"messages", Json::array({question, answer, next})}})->head.status, 200);
  EXPECT_EQ(prompt(), expected);
  const Json blocks = Json::parse(R"({"role": "assistant", "content": [
      {"type": "thinking", "thinking": "I add.", "signature": "x"},
      {"type": "redacted_thinking", "data": "y"}, {"type": "text", "text": "4"}]})");
  post(kMessages, {{"max_tokens", 9}, {"messages", Json::array({question, blocks, next})}});
  EXPECT_EQ(prompt(), expected);
  const Json item = Json::parse(R"({"type": "reasoning", "id": "rs_1", "summary": [],
      "content": [{"type": "reasoning_text", "text": "I add."}], "encrypted_content": null})");
  const Json said = {{"type", "message"}, {"role", "assistant"}, {"content", "4"}};
  post(kResponses, {{"input", Json::array({question, item, said, next})}});
  EXPECT_EQ(prompt(), expected);
  const Json call = {{"type", "function_call"}, {"call_id", "c"}, {"name", "add"}};
  const Json output = {{"type", "function_call_output"}, {"call_id", "c"}, {"output", "4"}};
  post(kResponses, {{"input", Json::array({question, item, call, output, item, said, next})}});
  EXPECT_EQ(prompt(), std::string("user: 2+2?\nassistant: <think>I add.</think>") + kCall +
                          "\nuser: <tool_response>\n4\n</tool_response>\nassistant: <think>I "
                          "add.</think>4\nuser: 2+3?\nassistant:");
  Json odd = answer;
  odd["reasoning_content"] = 1;
  EXPECT_EQ(blamed(kChat, {{"messages", Json::array({odd})}}), "messages[0].reasoning_content");
  Json odd_item = item;
  odd_item["content"] = Json::array({1});
  EXPECT_EQ(blamed(kResponses, {{"input", Json::array({odd_item})}}), "input[0].content[0]");
  odd_item["content"] = "a";
  EXPECT_EQ(blamed(kResponses, {{"input", Json::array({odd_item})}}), "input[0].content");
}

}  // namespace
}  // namespace bitnetc::serve::test
