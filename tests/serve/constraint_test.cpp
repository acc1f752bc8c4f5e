// Texts of a given form, and calls of tools, on every surface.
#include <gtest/gtest.h>

#include "tests/serve/api_fixture.h"

namespace bitnetc::serve::test {
namespace {

constexpr char kChat[] = "/v1/chat/completions", kText[] = "/v1/completions";

class Constraints : public ApiFixture {
 protected:
  Constraints() : ApiFixture(/*context=*/2048) {}
  static Json chat_body(Json more = Json::object()) {
    Json body = {{"messages", Json::array({{{"role", "user"}, {"content", "Hi"}}})}};
    body.update(more);
    return body;
  }
  void expect_integer_alone(const std::string& target, const Json& body) {
    write("12");
    const auto answer = post(target, body);
    ASSERT_EQ(answer->head.status, 200) << body.dump() << "\n" << answer->head.body;
    EXPECT_TRUE(lets("12")) << body.dump();
    EXPECT_FALSE(lets("twelve")) << body.dump();
    EXPECT_EQ(answer->header("x-bitnetc-ignored"), nullptr) << body.dump();
  }

  static inline const Json kInteger = {{"type", "integer"}};
  static inline const Json kAdd = {
      {"name", "add"},
      {"description", "adds"},
      {"parameters",
       {{"type", "object"}, {"properties", {{"n", kInteger}}}, {"required", Json::array({"n"})}}}};
  static inline const Json kChatTools =
      Json::array({{{"type", "function"}, {"function", kAdd}},
                   {{"type", "function"}, {"function", {{"name", "stop"}}}}});
  static constexpr char kCall[] =
      "<tool_call>\n{\"name\": \"add\", \"arguments\": {\"n\": 1}}\n</tool_call>";
};

TEST_F(Constraints, FormsOfTextsUnderTheirManyNames) {
  for (const Json& more :
       {Json{{"response_format",
              {{"type", "json_schema"}, {"json_schema", {{"name", "a"}, {"schema", kInteger}}}}}},
        Json{{"response_format", {{"type", "json_schema"}, {"schema", kInteger}}}},
        Json{{"response_format", {{"type", "json_object"}, {"value", kInteger}}}},
        Json{{"json_schema", kInteger}}, Json{{"grammar", "root ::= [0-9]+"}},
        Json{{"regex", "[0-9]+"}}, Json{{"structured_outputs", {{"json", kInteger}}}},
        Json{{"structured_outputs", {{"regex", "\\d+"}}}},
        Json{{"structured_outputs", {{"grammar", "root ::= [0-9]+"}}}},
        Json{{"structured_outputs", {{"choice", Json::array({"12", "\"\\\n"})}}}},
        Json{{"guided_json", kInteger}}, Json{{"guided_choice", Json::array({"12"})}}}) {
    expect_integer_alone(kChat, chat_body(more));
    Json text = {{"prompt", "a"}};
    text.update(more);
    expect_integer_alone(kText, text);
    expect_integer_alone("/completion", text);
  }
  const Json format = {{"type", "json_schema"}, {"name", "a"}, {"schema", kInteger}};
  expect_integer_alone("/v1/responses", {{"input", "Hi"}, {"text", {{"format", format}}}});
  expect_integer_alone("/v1/messages",
                       chat_body({{"max_tokens", 9}, {"output_config", {{"format", format}}}}));
  post(kChat, chat_body({{"response_format", {{"type", "json_object"}}}}));
  EXPECT_TRUE(lets("{\"a\": [1]}"));
  EXPECT_FALSE(lets("[1]"));
  post(kChat, chat_body({{"response_format", {{"type", "text"}}}}));
  EXPECT_EQ(engine_->seen.back().sampling.filter, nullptr);
}

TEST_F(Constraints, FormsThatCannotBeHonouredAreBlamed) {
  const auto format = [](Json json) { return chat_body({{"response_format", std::move(json)}}); };
  EXPECT_EQ(blamed(kChat, format({{"type", "xml"}})), "response_format.type");
  EXPECT_EQ(blamed(kChat, format("json")), "response_format");
  EXPECT_EQ(blamed(kChat, format({{"type", "json_schema"}})), "response_format.json_schema.schema");
  EXPECT_EQ(
      blamed("/v1/responses", {{"input", "Hi"}, {"text", {{"format", {{"type", "json_schema"}}}}}}),
      "text.format.schema");
  EXPECT_EQ(blamed(kChat, format({{"type", "json_schema"}, {"schema", {{"not", kInteger}}}})),
            "response_format.schema");
  EXPECT_EQ(blamed(kChat, chat_body({{"grammar", "root ::= a"}})), "grammar");
  EXPECT_EQ(blamed(kChat, chat_body({{"regex", "("}})), "regex");
  EXPECT_EQ(blamed(kChat, chat_body({{"regex", 1}})), "regex");
  EXPECT_EQ(blamed(kChat, chat_body({{"regex", "a"}, {"grammar", "root ::= \"a\""}})), "regex");
  EXPECT_EQ(blamed(kChat, chat_body({{"ebnf", "root ::= \"a\""}})), "ebnf");
  EXPECT_EQ(blamed(kChat, chat_body({{"structured_outputs", {{"structural_tag", "a"}}}})),
            "structured_outputs.structural_tag");
  EXPECT_EQ(blamed(kText, {{"prompt", "a"}, {"guided_choice", Json::array()}}), "guided_choice");
  const auto answer = post(kChat, chat_body({{"json_schema", {{"multipleOf", 3}}}}));
  EXPECT_NE(answer->head.body.find("#/multipleOf"), std::string::npos) << answer->head.body;
  EXPECT_TRUE(engine_->seen.empty());
}

TEST_F(Constraints, EqualGrammarsAreCompiledOnce) {
  const Json body = chat_body({{"regex", "(ab)+"}});
  write("abab");
  post(kChat, body);
  const auto first = engine_->seen.back().sampling.filter->fork()->allowed().data();
  post(kChat, body);
  EXPECT_EQ(engine_->seen.back().sampling.filter->fork()->allowed().data(), first);
}

TEST_F(Constraints, CallsOfChatAreToldApartFromText) {
  write(std::string("Well. \n") + kCall + "\n" + kCall);
  const auto plain = post(kChat, chat_body({{"tools", kChatTools}}));
  ASSERT_EQ(plain->head.status, 200) << plain->head.body;
  const Json choice = plain->json()["choices"][0];
  EXPECT_EQ(choice["finish_reason"], "tool_calls");
  EXPECT_EQ(choice["message"]["content"], "Well.");
  const Json calls = choice["message"]["tool_calls"];
  ASSERT_EQ(calls.size(), 2u);
  EXPECT_NE(calls[0]["id"], calls[1]["id"]);
  EXPECT_EQ(calls[1]["function"], (Json{{"name", "add"}, {"arguments", "{\"n\": 1}"}}));
  EXPECT_TRUE(lets("Hello"));
  EXPECT_TRUE(lets(kCall));
  EXPECT_FALSE(lets("<tool_call>\n{\"name\": \"sub\""));

  const auto streamed = post(kChat, chat_body({{"tools", kChatTools}, {"stream", true}}));
  std::string text, arguments[2];
  std::vector<Json> begun;
  const auto events = streamed->events();
  for (size_t i = 0; i + 1 < events.size(); ++i) {
    const Json delta = Json::parse(events[i])["choices"][0]["delta"];
    text += delta.value("content", "");
    for (const Json& call : delta.value("tool_calls", Json::array())) {
      if (call.contains("id")) begun.push_back(call);
      EXPECT_EQ(call["function"].contains("name"), call.contains("id"));
      arguments[call["index"].get<size_t>()] += call["function"]["arguments"].get<std::string>();
    }
  }
  EXPECT_EQ(text, "Well.");
  ASSERT_EQ(begun.size(), 2u);
  EXPECT_EQ(begun[1]["function"]["name"], "add");
  EXPECT_EQ(arguments[0], "{\"n\": 1}");
  EXPECT_EQ(arguments[1], "{\"n\": 1}");
  EXPECT_EQ(Json::parse(events[events.size() - 2])["choices"][0]["finish_reason"], "tool_calls");
}

TEST_F(Constraints, ChoicesOfToolsBindTheAnswer) {
  write(kCall);
  const auto ask = [&](Json choice, Json more = Json::object()) {
    Json body = chat_body({{"tools", kChatTools}, {"tool_choice", std::move(choice)}});
    body.update(more);
    const auto answer = post(kChat, body);
    EXPECT_EQ(answer->head.status, 200) << answer->head.body;
  };
  const std::string stop = "<tool_call>\n{\"name\": \"stop\", \"arguments\": {}}\n</tool_call>";
  ask("required");
  EXPECT_FALSE(lets("Hello"));
  EXPECT_TRUE(lets(stop + "\n" + kCall));
  ask("required", {{"parallel_tool_calls", false}});
  EXPECT_FALSE(lets(stop + "\n" + kCall));
  ask({{"type", "function"}, {"function", {{"name", "add"}}}});
  EXPECT_TRUE(lets(kCall));
  EXPECT_FALSE(lets(stop));
  ask({{"type", "allowed_tools"},
       {"allowed_tools",
        {{"mode", "required"},
         {"tools", Json::array({{{"type", "function"}, {"name", "stop"}}})}}}});
  EXPECT_TRUE(lets(stop));
  EXPECT_FALSE(lets(kCall));
  ask("none");
  EXPECT_EQ(engine_->seen.back().sampling.filter, nullptr);
  EXPECT_EQ(engine_->seen.back().prompt, chat_ids("user: Hi\nassistant:"));
  ask("auto", {{"response_format", {{"type", "json_schema"}, {"schema", kInteger}}}});
  EXPECT_TRUE(lets("7"));
  EXPECT_TRUE(lets(kCall));
  EXPECT_FALSE(lets("seven"));
  EXPECT_EQ(blamed(kChat, chat_body({{"tool_choice", "required"}})), "tool_choice");
  EXPECT_EQ(blamed(kChat, chat_body({{"tools", kChatTools}, {"tool_choice", "sometimes"}})),
            "tool_choice");
  EXPECT_EQ(blamed(kChat, chat_body({{"tools", kChatTools},
                                     {"tool_choice", {{"type", "function"}, {"name", "sub"}}}})),
            "tool_choice");
  const Json odd_mode = {
      {"type", "allowed_tools"}, {"mode", 1}, {"tools", Json::array({{{"name", "add"}}})}};
  EXPECT_EQ(blamed(kChat, chat_body({{"tools", kChatTools}, {"tool_choice", odd_mode}})),
            "tool_choice");
  EXPECT_EQ(blamed(kChat, chat_body({{"tools", kChatTools}, {"regex", "a"}})), "regex");
  EXPECT_EQ(blamed(kChat, chat_body({{"tools", kChatTools}, {"logprobs", true}})), "logprobs");
  EXPECT_EQ(blamed(kChat, chat_body({{"tools", Json::array({{{"type", "web_search"}}})}})),
            "tools[0].type");
  EXPECT_EQ(blamed(kChat, chat_body({{"tools", Json::array({{{"type", "function"},
                                                             {"function", {{"name", "a b"}}}}})}})),
            "tools[0].function.name");
}

TEST_F(Constraints, ConversationsWithCallsAreRendered) {
  write("3");
  const Json messages = Json::parse(R"([
      {"role": "user", "content": "Hi"},
      {"role": "assistant", "content": null, "tool_calls": [{"id": "call_1", "type": "function",
          "function": {"name": "add", "arguments": "{\"n\": 1}"}}]},
      {"role": "tool", "tool_call_id": "call_1", "content": "2"}])");
  const std::string expected = std::string("user: Hi\nassistant: ") + kCall +
                               "\nuser: <tool_response>\n2\n</tool_response>\nassistant:";
  ASSERT_EQ(post(kChat, {{"messages", messages}})->head.status, 200);
  EXPECT_EQ(engine_->seen.back().prompt, chat_ids(expected));
  const Json blocks = Json::parse(R"([
      {"role": "user", "content": "Hi"},
      {"role": "assistant", "content": [{"type": "tool_use", "id": "t1", "name": "add",
                                         "input": {"n": 1}}]},
      {"role": "user", "content": [{"type": "tool_result", "tool_use_id": "t1",
                                    "content": [{"type": "text", "text": "2"}]}]}])");
  ASSERT_EQ(post("/v1/messages", {{"max_tokens", 9}, {"messages", blocks}})->head.status, 200);
  const auto spelled = [&](const TokenRequest& request) {
    return *tokenizer_->decode(request.prompt, /*skip_special=*/true);
  };
  EXPECT_NE(spelled(engine_->seen.back()).find("<tool_response>\n2"), std::string::npos);
  const Json items = Json::parse(R"([
      {"role": "user", "content": "Hi"},
      {"type": "function_call", "call_id": "c", "name": "add", "arguments": "{\"n\": 1}"},
      {"type": "function_call_output", "call_id": "c", "output": "2"}])");
  ASSERT_EQ(post("/v1/responses", {{"input", items}})->head.status, 200);
  EXPECT_EQ(engine_->seen.back().prompt, chat_ids(expected));
  EXPECT_EQ(blamed(kChat, {{"messages", Json::parse(R"([{"role": "assistant", "tool_calls":
                [{"function": {"name": "a", "arguments": "["}}]}])")}}),
            "messages[0].tool_calls[0].function.arguments");
}

TEST_F(Constraints, AnswersThatAreCutInACall) {
  const std::string call = kCall;
  write(call.substr(0, call.find("1}")), /*ends=*/false);
  const Json tools = chat_body({{"tools", kChatTools}});
  const Json choice = post(kChat, tools)->json()["choices"][0];
  EXPECT_EQ(choice["finish_reason"], "length");
  EXPECT_EQ(choice["message"]["tool_calls"][0]["function"]["arguments"], "{\"n\": ");
  Json own = kAdd;
  own["input_schema"] = own["parameters"];
  own.erase("parameters");
  const Json message =
      post("/v1/messages", chat_body({{"max_tokens", 60}, {"tools", Json::array({own})}}))->json();
  EXPECT_EQ(message["stop_reason"], "max_tokens");
  EXPECT_EQ(message["content"], Json::array({{{"type", "text"}, {"text", ""}}}));
}

TEST_F(Constraints, MessagesUseTools) {
  write(std::string("Well.\n") + kCall);
  Json own = kAdd;
  own["input_schema"] = own["parameters"];
  own.erase("parameters");
  Json body = chat_body(
      {{"max_tokens", 60}, {"tools", Json::array({own})}, {"tool_choice", {{"type", "any"}}}});
  const Json message = post("/v1/messages", body)->json();
  EXPECT_FALSE(lets("Well."));
  EXPECT_EQ(message["stop_reason"], "tool_use");
  EXPECT_EQ(message["content"][0]["text"], "Well.");
  EXPECT_EQ(message["content"][1]["type"], "tool_use");
  EXPECT_EQ(message["content"][1]["input"], (Json{{"n", 1}}));
  body["stream"] = true;
  const auto streamed = post("/v1/messages", body);
  std::string input;
  int64_t blocks = 0;
  for (const std::string& event : streamed->events()) {
    const Json data = Json::parse(event);
    if (data["type"] == "content_block_start") {
      EXPECT_EQ(data["index"], blocks++);
    }
    if (data["type"] == "content_block_delta" && data["delta"].contains("partial_json"))
      input += data["delta"]["partial_json"].get<std::string>();
    if (data["type"] == "message_delta") {
      EXPECT_EQ(data["delta"]["stop_reason"], "tool_use");
    }
  }
  EXPECT_EQ(blocks, 2);
  EXPECT_EQ(input, "{\"n\": 1}");
}

TEST_F(Constraints, ResponsesCallFunctions) {
  write(std::string("Well.\n") + kCall);
  Json own = kAdd;
  own["type"] = "function";
  Json body = {{"input", "Hi"}, {"tools", Json::array({own})}};
  const Json whole = post("/v1/responses", body)->json();
  EXPECT_EQ(whole["status"], "completed");
  ASSERT_EQ(whole["output"].size(), 2u);
  EXPECT_EQ(whole["output"][0]["content"][0]["text"], "Well.");
  EXPECT_EQ(whole["output"][1]["type"], "function_call");
  EXPECT_EQ(whole["output"][1]["arguments"], "{\"n\": 1}");
  EXPECT_EQ(whole["tools"], body["tools"]);
  body["stream"] = true;
  const auto events = post("/v1/responses", body)->events();
  std::string arguments;
  std::vector<std::string> added;
  for (size_t i = 0; i < events.size(); ++i) {
    const Json data = Json::parse(events[i]);
    EXPECT_EQ(data["sequence_number"], i);
    if (data["type"] == "response.output_item.added") added.push_back(data["item"]["type"]);
    if (data["type"] == "response.function_call_arguments.delta") {
      EXPECT_EQ(data["output_index"], 1);
      arguments += data["delta"].get<std::string>();
    }
  }
  EXPECT_EQ(added, (std::vector<std::string>{"message", "function_call"}));
  EXPECT_EQ(arguments, "{\"n\": 1}");
  const Json last = Json::parse(events.back());
  EXPECT_EQ(last["type"], "response.completed");
  EXPECT_EQ(last["response"]["output"].size(), 2u);
}

}  // namespace
}  // namespace bitnetc::serve::test
