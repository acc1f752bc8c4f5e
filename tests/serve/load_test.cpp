// A real model behind HTTP: whatever else runs, an answer is what it is alone, byte by byte.
#include <gtest/gtest.h>

#include <fstream>
#include <nlohmann/json.hpp>
#include <random>
#include <sstream>
#include <thread>

#include "runtime/cpu_features.h"
#include "tests/serve/socket_client.h"
#include "tests/support/engine_fixture.h"
#include "tools/engine/scoring.h"
#include "tools/serve/engine/model_engine.h"
#include "tools/serve/server.h"

namespace bitnetc::serve::test {
namespace {

using Json = nlohmann::ordered_json;

class Load : public testing::Test {
 protected:
  static void SetUpTestSuite() { executable_ = bitnetc::test::bundled_executable(host_target()); }
  static void TearDownTestSuite() { executable_.reset(); }

  static std::unique_ptr<ServedModel> make_model() {
    std::ifstream file(bitnetc::test::bundled_model_folder() + "/tokenizer.json");
    std::stringstream json;
    json << file.rdbuf();
    const ModelDescription& description = executable_->model->description();
    auto model = std::make_unique<ServedModel>();
    model->id = "fairytale-6m";
    model->fingerprint = "fp";
    model->context_tokens = description.config.max_positions;
    model->config = description.config;
    model->generation = description.generation;
    model->tokenizer = *Tokenizer::from_json(json.str(), "tokenizer.json");
    model->grammars = std::make_unique<GrammarCache>(model->tokenizer);
    return model;
  }
  static std::unique_ptr<Server> make_server(int64_t pages, int threads, int64_t waiting = 1000) {
    auto server =
        Server::start({.service = {.parallel = 8}, .drain_time = std::chrono::seconds(20)});
    EXPECT_TRUE(server.ok()) << server.status().message();
    auto executor = CpuExecutor::create(executable_, {.threads = threads});
    auto engine = make_model_engine(
        *std::move(executor),
        {.scheduler = {.most_running = 8, .most_waiting = waiting, .page_limit = pages}});
    EXPECT_TRUE(engine.ok()) << engine.status().message();
    (*server)->set_ready(make_model(), *std::move(engine));
    return *std::move(server);
  }

  // Many requests share beginnings; every one has its seed.
  static std::vector<Json> make_requests(int count) {
    std::mt19937 random(1);
    const std::string beginnings[] = {
        "Once upon a time there was a king who had three daughters, and ",
        "Once upon a time there was a king who had three sons. The eldest of them ",
        "In a deep forest, far away from any house, there lived an old woman with her cat, who ",
        "The fox said: "};
    std::vector<Json> requests;
    for (int i = 0; i < count; ++i) {
      std::string prompt = beginnings[random() % 4];
      for (auto more = random() % 3; more > 0; --more) prompt += prompt;
      Json request = {{"prompt", prompt + std::to_string(random() % 20)},
                      {"max_tokens", 1 + random() % 60},
                      {"seed", random() % 1000},
                      {"temperature", random() % 4 == 0 ? 0.0 : 0.9}};
      if (random() % 3 == 0) request["presence_penalty"] = 0.5;
      if (random() % 4 == 0) request["logprobs"] = 2;
      if (random() % 5 == 0) request["stop"] = Json::array({"the", "."});
      if (random() % 6 == 0) request["n"] = 2;
      if (random() % 6 == 0) request["regex"] = "[A-Z][a-z]+( [a-z]+){2,12}[.!?]";
      if (random() % 4 == 0 && request.contains("logprobs")) request["echo"] = true;
      requests.push_back(std::move(request));
    }
    return requests;
  }

  // The texts, reasons and probabilities, without names and times, plain or streamed alike.
  static Json answer_to(int port, Json request, bool streams) {
    request["stream"] = streams;
    SocketClient client(port);
    client.send(http_post("/v1/completions", request.dump()));
    const Answer answer = client.read();
    EXPECT_EQ(answer.status, 200) << answer.body;
    EXPECT_TRUE(answer.is_whole) << answer.body;
    if (!answer.is_whole) return {};
    Json choices = Json::array();
    const auto add = [&](const Json& choice) {
      const auto index = choice["index"].get<size_t>();
      while (choices.size() <= index)
        choices.push_back({{"text", ""}, {"finish", nullptr}, {"logprobs", Json::array()}});
      Json& its = choices[index];
      its["text"] = its["text"].get<std::string>() + choice["text"].get<std::string>();
      if (!choice["finish_reason"].is_null()) its["finish"] = choice["finish_reason"];
      if (choice["logprobs"].is_null()) return;
      for (const Json& each : choice["logprobs"]["token_logprobs"]) its["logprobs"].push_back(each);
      for (const Json& each : choice["logprobs"]["top_logprobs"]) its["logprobs"].push_back(each);
    };
    if (!streams) {
      const Json document = Json::parse(answer.body);
      for (const Json& each : document["choices"]) add(each);
    } else {
      std::istringstream lines(answer.body);
      for (std::string line; std::getline(lines, line);)
        if (line.starts_with("data: {")) {
          const Json event = Json::parse(line.substr(6));
          for (const Json& each : event["choices"]) add(each);
        }
    }
    // Streams tell the two lists piece by piece.
    for (Json& each : choices) std::sort(each["logprobs"].begin(), each["logprobs"].end());
    return choices;
  }

  // Texts that are being written.
  static int running(const Server& server) {
    SocketClient client(server.port());
    client.send(http_get("/metrics"));
    const std::string text = client.read().body;
    const std::string name = "\nvllm:num_requests_running ";
    return std::stoi(text.substr(text.find(name) + name.size()));
  }

  static std::shared_ptr<const Executable> executable_;
};
std::shared_ptr<const Executable> Load::executable_;

TEST_F(Load, AnswersAreThoseOfLoneRuns) {
  const std::vector<Json> requests = make_requests(40);
  std::vector<Json> alone;
  {
    const auto server = make_server(/*pages=*/200, /*threads=*/1);
    for (const Json& each : requests) alone.push_back(answer_to(server->port(), each, false));
  }
  const auto server = make_server(/*pages=*/40, /*threads=*/1);
  std::vector<Json> together(requests.size());
  std::vector<std::thread> clients;
  for (size_t client = 0; client < 10; ++client)
    clients.emplace_back([&, client] {
      for (size_t i = client; i < requests.size(); i += 10) {
        if (i % 4 == 1) {  // somebody who goes away
          SocketClient other(server->port());
          other.send(
              http_post("/v1/completions",
                        Json{{"prompt", requests[i]["prompt"]}, {"stream", i % 8 == 1}}.dump()));
          if (i % 8 == 1) other.more();
        }
        together[i] = answer_to(server->port(), requests[i], i % 2 == 0);
      }
    });
  for (std::thread& each : clients) each.join();
  for (size_t i = 0; i < requests.size(); ++i)
    EXPECT_EQ(together[i], alone[i]) << i << " " << requests[i].dump();
  server->drain();
}

TEST_F(Load, ProbabilitiesOfAPromptAreThoseOfTheLibrary) {
  const auto server = make_server(/*pages=*/100, /*threads=*/1);
  const auto ids = *make_model()->tokenizer->encode("The king had a daughter who was so fair");
  const Json request = {{"prompt", Json::array({ids})},
                        {"max_tokens", 1},
                        {"logprobs", 1},
                        {"echo", true},
                        {"temperature", 0}};
  SocketClient client(server->port());
  client.send(http_post("/v1/completions", request.dump()));
  const Json logprobs = Json::parse(client.read().body)["choices"][0]["logprobs"];
  ASSERT_EQ(logprobs["token_logprobs"].size(), ids.size() + 1);
  const auto session = bitnetc::test::make_session(executable_);
  ASSERT_TRUE(session
                  ->append_all_logits(ids,
                                      [&](int64_t position, std::span<const float> logits) {
                                        const auto next = static_cast<size_t>(position) + 1;
                                        if (next == ids.size()) return;
                                        EXPECT_EQ(logprobs["token_logprobs"][next].get<double>(),
                                                  log_probability(logits, ids[next]));
                                      })
                  .ok());
}

TEST_F(Load, AFullQueueIsSaidAndABatchHasRoom) {
  const auto server = make_server(/*pages=*/100, /*threads=*/1, /*waiting=*/1);
  std::vector<std::vector<int32_t>> batch(40, {5, 6, 7});
  SocketClient first(server->port());
  first.send(http_post("/v1/completions",
                       Json{{"prompt", batch}, {"max_tokens", 200}, {"ignore_eos", true}}.dump()));
  for (int i = 0; i < 500 && running(*server) < 8; ++i) continue;
  int refused = 0;
  for (int i = 0; i < 200 && refused == 0; ++i) {
    SocketClient other(server->port());
    other.send(http_post("/v1/completions", Json{{"prompt", "a"}, {"max_tokens", 1}}.dump()));
    refused = other.read().status == 429;
  }
  EXPECT_EQ(refused, 1);
  EXPECT_EQ(Json::parse(first.read().body)["choices"].size(), 40u);
}

TEST_F(Load, AClientThatGoesFreesItsPlace) {
  const auto server = make_server(/*pages=*/100, /*threads=*/1);
  for (const bool streams : {false, true}) {
    SocketClient client(server->port());
    client.send(http_post(
        "/v1/completions",
        Json{{"prompt", "Once"}, {"n", 8}, {"ignore_eos", true}, {"stream", streams}}.dump()));
    for (int i = 0; i < 500 && running(*server) < 8; ++i) continue;
    client.close();
    // Ten seconds are for a busy machine: a text to the end of the context would take longer still.
    for (int i = 0; i < 5000 && running(*server) > 0; ++i)
      std::this_thread::sleep_for(std::chrono::milliseconds(2));
    EXPECT_EQ(running(*server), 0);
  }
}

TEST_F(Load, DrainingLetsStreamsEndAndRefusesTheRest) {
  const auto server = make_server(/*pages=*/100, /*threads=*/1);
  SocketClient client(server->port()), kept(server->port());
  kept.send(http_get("/health"));
  EXPECT_EQ(kept.read().status, 200);
  client.send(http_post(
      "/v1/completions",
      Json{{"prompt", "Once"}, {"max_tokens", 300}, {"ignore_eos", true}, {"stream", true}}
          .dump()));
  ASSERT_TRUE(client.more());
  std::thread drain([&] { server->drain(); });
  const Answer answer = client.read();
  EXPECT_TRUE(answer.is_whole);
  EXPECT_TRUE(answer.body.ends_with("data: [DONE]\n\n"));
  drain.join();
  EXPECT_FALSE(kept.more());
}

}  // namespace
}  // namespace bitnetc::serve::test
