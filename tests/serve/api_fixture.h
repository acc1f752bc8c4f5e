// Tests of the surfaces without a model: handlers run against a scripted engine, with the
// tokenizer of the bundled model, and answer into a record.
#pragma once

#include <gtest/gtest.h>

#include <condition_variable>
#include <fstream>
#include <mutex>
#include <nlohmann/json.hpp>
#include <sstream>
#include <thread>

#include "tests/serve/fake_engine.h"
#include "tests/support/engine_fixture.h"
#include "tools/serve/router.h"
#include "tools/serve/service.h"

namespace bitnetc::serve::test {

using Json = nlohmann::ordered_json;

// What a client sees of one answer.
class Recorder final : public Responder {
 public:
  void send(HttpResponse response) override {
    finish([&] { head = std::move(response); });
  }
  void begin(HttpResponse response) override {
    const std::lock_guard lock(mutex_);
    head = std::move(response);
    is_stream = true;
  }
  void write(std::string bytes) override {
    const std::lock_guard lock(mutex_);
    head.body += bytes;
    changed_.notify_all();
  }
  void end() override {
    finish([] {});
  }
  void abort() override {
    finish([this] { is_cut = true; });
  }
  void when_gone(std::function<void()> gone) override {
    if (has_gone) return gone();
    const std::lock_guard lock(mutex_);
    if (!is_over) gone_ = std::move(gone);
  }

  void wait() {
    std::unique_lock lock(mutex_);
    EXPECT_TRUE(changed_.wait_for(lock, std::chrono::seconds(20), [this] { return is_over; }));
  }
  void wait_for(std::string_view text) {
    std::unique_lock lock(mutex_);
    EXPECT_TRUE(changed_.wait_for(lock, std::chrono::seconds(20),
                                  [&] { return head.body.find(text) != head.body.npos; }));
  }
  void go() { std::exchange(gone_, nullptr)(); }

  const std::string* header(std::string_view name) const {
    for (const HttpHeader& each : head.headers)
      if (each.name == name) return &each.value;
    return nullptr;
  }
  Json json() const { return Json::parse(head.body); }
  // The data of the events of a stream; the last may be "[DONE]".
  std::vector<std::string> events() const {
    std::vector<std::string> data;
    std::istringstream lines(head.body);
    for (std::string line; std::getline(lines, line);)
      if (line.starts_with("data: ")) data.push_back(line.substr(6));
    return data;
  }

  HttpResponse head;
  bool is_stream = false, is_cut = false, is_over = false;
  bool has_gone = false;  // the client, from the beginning

 private:
  template <typename Change>
  void finish(const Change& change) {
    std::function<void()> gone;  // holds what answers: ends outside the lock
    const std::lock_guard lock(mutex_);
    EXPECT_FALSE(is_over) << "answered twice";
    change();
    is_over = true;
    gone = std::exchange(gone_, nullptr);
    changed_.notify_all();
  }
  std::mutex mutex_;
  std::condition_variable changed_;
  std::function<void()> gone_;
};

class ApiFixture : public testing::Test {
 protected:
  static constexpr char kTemplate[] =
      "{% for m in messages %}{% if m.role == 'stranger' %}{{ raise_exception('who is ' + m.role) "
      "}}{% endif %}{{ m.role }}: {{ m.content }}\n{% endfor %}{% if add_generation_prompt "
      "%}assistant:{% endif %}";

  explicit ApiFixture(int64_t context = 64)
      : service_({.parallel = 4,
                  .log_format = LogFormat::kJson,
                  .log_line = [this](const std::string& line) { log_ += line; },
                  .version = "9.9"}) {
    std::ifstream file(bitnetc::test::bundled_model_folder() + "/tokenizer.json");
    std::stringstream json;
    json << file.rdbuf();
    auto tokenizer = Tokenizer::from_json(json.str(), "tokenizer.json");
    EXPECT_TRUE(tokenizer.ok());
    tokenizer_ = *std::move(tokenizer);
    serve_template(kTemplate, context);
  }

  // From now on the model has this chat template.
  void serve_template(const std::string& source, int64_t context) {
    auto model = std::make_unique<ServedModel>();
    model->tokenizer = tokenizer_;
    model->id = "tiny";
    model->fingerprint = "fp_1";
    model->context_tokens = context;
    model->config = {.family = "bitnet", .vocab_size = 4096, .max_positions = context};
    model->generation.stop_ids = {kEndOfText};
    model->special_tokens = {{"eos_token", "<|end_of_text|>"}};
    model->template_source = source;
    model->chat_template = *ChatTemplate::create(source, "template", {});
    model->grammars = std::make_unique<GrammarCache>(tokenizer_);
    auto engine = std::make_unique<FakeEngine>();
    engine_ = engine.get();
    service_.set_ready(std::move(model), std::move(engine));
  }
  std::vector<int32_t> ids(const std::string& text) const {
    return *tokenizer_->encode(text, /*add_special=*/false);
  }
  // Of a rendered chat: begin-of-text stands in front.
  std::vector<int32_t> chat_ids(const std::string& text) const { return *tokenizer_->encode(text); }
  // What the engine writes from now on, for every request.
  void write(const std::string& text, bool ends = true) {
    engine_->script = ids(text);
    if (ends) engine_->script.push_back(kEndOfText);
  }
  // Whether the filter of the last request lets `text` come, and then the end of the text.
  bool lets(const std::string& text) {
    const auto& filter = engine_->seen.back().sampling.filter;
    if (filter == nullptr) return true;
    const std::unique_ptr<TokenFilter> own = filter->fork();
    for (const int32_t id : ids(text))
      if (!own->accept(id)) return false;
    return own->may_end() && own->accept(kEndOfText);
  }
  // From now on the model is a text encoder.
  void serve_encoder() {
    auto model = std::make_unique<ServedModel>();
    model->tokenizer = tokenizer_;
    model->id = "encoder";
    model->context_tokens = 64;
    model->config = {.vocab_size = 4096, .hidden_size = 3, .output = ModelOutput::kHidden};
    service_.set_ready(std::move(model), std::make_unique<FakeEngine>());
  }

  std::shared_ptr<Recorder> start(const std::string& method, const std::string& target,
                                  const std::string& body) {
    auto recorder = std::make_shared<Recorder>();
    const Route* route = find_route(method, target).route;
    EXPECT_NE(route, nullptr) << target;
    auto exchange = std::make_shared<Exchange>(
        service_, HttpRequest{.method = method, .target = target, .body = body}, recorder,
        AccessRecord{.id = "req-1", .method = method, .route = target});
    exchange->listen();
    route->handle(exchange);
    return recorder;
  }
  std::shared_ptr<Recorder> post(const std::string& target, const Json& body) {
    auto recorder = start("POST", target, body.dump());
    recorder->wait();
    return recorder;
  }
  std::shared_ptr<Recorder> get(const std::string& target) {
    auto recorder = start("GET", target, "");
    recorder->wait();
    return recorder;
  }
  // The field that an answer with 400 blames.
  std::string blamed(const std::string& target, const Json& body) {
    const auto answer = post(target, body);
    EXPECT_EQ(answer->head.status, 400) << answer->head.body;
    const Json error = answer->json()["error"];
    return error.contains("param") && error["param"].is_string() ? error["param"] : "";
  }

  // The line of the log about the one request there was, once it is over.
  Json logged() {
    while (service_.open_requests > 0) std::this_thread::yield();
    return Json::parse(log_);
  }

  static constexpr int32_t kEndOfText = 4094;
  std::string log_;  // read while no request is open
  Service service_;
  FakeEngine* engine_ = nullptr;
  std::shared_ptr<const Tokenizer> tokenizer_;
};

}  // namespace bitnetc::serve::test
