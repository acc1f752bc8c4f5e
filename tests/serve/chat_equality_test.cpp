// `bitnetc chat` and POST /v1/chat/completions write the same answers to the same messages.
#include <gtest/gtest.h>

#include <nlohmann/json.hpp>

#include "tests/serve/socket_client.h"
#include "tests/support/chat_fixture.h"
#include "tests/support/engine_fixture.h"
#include "tools/serve/engine/model_engine.h"
#include "tools/serve/server.h"

namespace bitnetc::serve::test {
namespace {

using Json = nlohmann::ordered_json;
using bitnetc::test::ChatFixture;

class ChatEquality : public ChatFixture {
 protected:
  static std::unique_ptr<Server> make_server() {
    auto server = Server::start({.service = {.parallel = 2}});
    EXPECT_TRUE(server.ok()) << server.status().message();
    Engine engine =
        *make_engine(bitnetc::test::bundled_model_folder(), EngineOptions{.plan = {.threads = 1}});
    auto model = *make_served_model(engine, {.template_source = bitnetc::test::kTestTemplate},
                                    /*context=*/0);
    auto executor = CpuExecutor::create(engine.executable, {.threads = 1});
    auto token_engine = make_model_engine(*std::move(executor),
                                          {.scheduler = {.most_running = 2, .page_limit = 100}});
    EXPECT_TRUE(token_engine.ok()) << token_engine.status().message();
    (*server)->set_ready(std::make_unique<ServedModel>(std::move(model)), *std::move(token_engine));
    return *std::move(server);
  }
  // Adds the answer to the messages, and gives it.
  static std::string ask(int port, Json& messages, const Json& settings) {
    Json request = settings;
    request["messages"] = messages;
    SocketClient client(port);
    client.send(http_post("/v1/chat/completions", request.dump()));
    const Answer answer = client.read();
    EXPECT_EQ(answer.status, 200) << answer.body;
    if (answer.status != 200) return {};
    const auto message = Json::parse(answer.body)["choices"][0]["message"];
    messages.push_back({{"role", "assistant"}, {"content", message["content"]}});
    return message["content"].get<std::string>();
  }
};

const std::string kQuestions[] = {"Once upon a time there was a king.", "And his daughter?",
                                  "<|end_of_text|> And the wolf?\n日本"};

TEST_F(ChatEquality, GreedyAnswersOfAllTurnsAreEqual) {
  const auto server = make_server();
  std::string expected, input;
  Json messages = {{{"role", "system"}, {"content", "An old tale."}}};
  for (const std::string& question : kQuestions) {
    messages.push_back({{"role", "user"}, {"content", question}});
    expected += ask(server->port(), messages, {{"temperature", 0}, {"max_tokens", 60}}) + "\n";
    input += "\"\"\"" + question + "\"\"\"\n";
  }
  const auto chat =
      through_a_pipe(input, {"--system", "An old tale.", "--greedy", "-n", "60", "-q"});
  EXPECT_EQ(chat.exit_code, 0) << chat.err;
  EXPECT_EQ(chat.out, expected);
  server->drain();
}

// The first answer has the seed that was given.
TEST_F(ChatEquality, SampledAnswersOfOneSeedAreEqual) {
  const auto server = make_server();
  Json messages = {{{"role", "user"}, {"content", kQuestions[0]}}};
  const std::string expected = ask(
      server->port(), messages,
      {{"temperature", 0.9}, {"top_p", 0.95}, {"seed", 7}, {"max_tokens", 60}, {"stop", "the"}});
  const auto chat = through_a_pipe(kQuestions[0], {"--temp", "0.9", "--top-p", "0.95", "--seed",
                                                   "7", "-n", "60", "--stop", "the", "-q"});
  EXPECT_EQ(chat.exit_code, 0) << chat.err;
  EXPECT_EQ(chat.out, expected + "\n");
  server->drain();
}

// Until the context is full, where nothing else ends the answer.
TEST_F(ChatEquality, AnswersWithoutALimitAreEqual) {
  const auto server = make_server();
  Json messages = {{{"role", "user"}, {"content", kQuestions[0]}}};
  const std::string expected =
      ask(server->port(), messages, {{"temperature", 0}, {"ignore_eos", true}});
  const auto chat = through_a_pipe(kQuestions[0], {"--greedy", "--ignore-eos", "-q"});
  EXPECT_EQ(chat.out, expected + "\n");
  server->drain();
}

}  // namespace
}  // namespace bitnetc::serve::test
