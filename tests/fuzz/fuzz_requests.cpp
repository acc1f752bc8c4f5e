// Reads the input as the body of a request; its first byte chooses the route. Whatever it is, it
// gets one answer: what was asked for, a refusal, or that there is no room, with a body of JSON.
#include <fstream>
#include <sstream>

#include "runtime/status.h"
#include "tools/serve/router.h"
#include "tools/serve/service.h"

namespace bitnetc::serve {
namespace {

// Takes no request: what handlers do before is what is tried.
class FullEngine final : public TokenEngine {
 public:
  Result<RequestId> submit(TokenRequest, bool) override {
    return Status(StatusCode::kOutOfMemory, "full");
  }
  void cancel(RequestId) override {}
  Status embed(EmbeddingJob) override { return Status(StatusCode::kOutOfMemory, "full"); }
  SchedulerStats stats() const override { return {}; }
  void cancel_all() override {}
  int64_t last_sign_of_life_ns() const override { return 0; }
};

class OneAnswer final : public Responder {
 public:
  void send(HttpResponse response) override {
    BITNETC_CHECK(!has_answered_, "answered twice");
    has_answered_ = true;
    const int status = response.status;
    BITNETC_CHECK(status == 200 || status == 400 || status == 429, "status {}", status);
    BITNETC_CHECK(Json::accept(response.body), "no JSON: {}", response.body);
  }
  void begin(HttpResponse) override { BITNETC_CHECK(false, "a stream of nothing"); }
  void write(std::string) override {}
  void end() override {}
  void abort() override {}
  void when_gone(std::function<void()>) override {}
  bool has_answered() const { return has_answered_; }

 private:
  bool has_answered_ = false;
};

std::unique_ptr<Service> make_service() {
  std::ifstream file(BITNETC_SOURCE_DIR "/tools/models/fairytale-6m/tokenizer.json");
  std::stringstream json;
  json << file.rdbuf();
  auto model = std::make_unique<ServedModel>();
  model->tokenizer = *Tokenizer::from_json(json.str(), "tokenizer.json");
  model->id = "tiny";
  model->context_tokens = 512;
  model->config = {.family = "bitnet", .vocab_size = 4096, .max_positions = 512};
  model->template_source =
      "{% for m in messages %}{{ m.role }}: {{ m.content }}{{ m.tool_calls | tojson if "
      "m.tool_calls "
      "}}{{ m.reasoning_content }}\n{% endfor %}{% if tools %}<tool_call>{{ tools | tojson }}"
      "{% endif %}{% if enable_thinking is undefined %}<think>{% endif %}{{ reasoning_effort }}";
  model->chat_template = *ChatTemplate::create(model->template_source, "template", {});
  model->grammars = std::make_unique<GrammarCache>(model->tokenizer);
  auto service = std::make_unique<Service>(ServiceOptions{.parallel = 4, .version = "1"});
  service->set_ready(std::move(model), std::make_unique<FullEngine>());
  return service;
}

void ask(std::string_view input) {
  static const std::unique_ptr<Service> service = make_service();
  constexpr const char* kTargets[] = {"/v1/chat/completions",
                                      "/v1/completions",
                                      "/v1/responses",
                                      "/v1/messages",
                                      "/completion",
                                      "/v1/embeddings",
                                      "/tokenize",
                                      "/detokenize",
                                      "/apply-template",
                                      "/v1/messages/count_tokens",
                                      "/v1/responses/input_tokens"};
  if (input.empty()) return;
  const char* target = kTargets[static_cast<uint8_t>(input[0]) % std::size(kTargets)];
  const auto answer = std::make_shared<OneAnswer>();
  const auto exchange = std::make_shared<Exchange>(
      *service,
      HttpRequest{.method = "POST", .target = target, .body = std::string(input.substr(1))}, answer,
      AccessRecord{.id = "1", .method = "POST", .route = target});
  exchange->listen();
  find_route("POST", target).route->handle(exchange);
  BITNETC_CHECK(answer->has_answered(), "no answer");
}

}  // namespace
}  // namespace bitnetc::serve

extern "C" int LLVMFuzzerTestOneInput(const uint8_t* data, size_t size) {
  bitnetc::serve::ask({reinterpret_cast<const char*>(data), size});
  return 0;
}
