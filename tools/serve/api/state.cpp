// What the server says of itself: health, the model, metrics, what runs.
#include <chrono>

#include "tools/engine/sampling_defaults.h"
#include "tools/serve/api/surfaces.h"
#include "tools/serve/service.h"

namespace bitnetc::serve {
namespace {

constexpr double kStalledAfterS = 30;

double seconds_since_sign_of_life(const TokenEngine& engine) {
  const int64_t now =
      std::chrono::steady_clock::now().time_since_epoch() / std::chrono::nanoseconds(1);
  return static_cast<double>(now - engine.last_sign_of_life_ns()) / 1e9;
}

Json model_json(const ServedModel& model) {
  return {{"id", model.id},
          {"object", "model"},
          {"created", model.created_s},
          {"owned_by", "bitnetc"},
          {"max_model_len", model.context_tokens},
          {"meta",
           {{"fingerprint", model.fingerprint},
            {"family", model.config.family},
            {"n_ctx", model.context_tokens},
            {"n_ctx_train", model.config.max_positions},
            {"n_vocab", model.config.vocab_size},
            {"n_embd", model.config.hidden_size},
            {"has_chat_template", model.chat_template != nullptr},
            {"is_text_encoder", !model.writes_text()}}}};
}

// "%2F" is "/".
std::string percent_decoded(std::string_view text) {
  const auto digit = [](char c) {
    if (c >= '0' && c <= '9') return c - '0';
    if (c >= 'a' && c <= 'f') return c - 'a' + 10;
    if (c >= 'A' && c <= 'F') return c - 'A' + 10;
    return -1;
  };
  std::string result;
  for (size_t i = 0; i < text.size(); ++i) {
    const bool is_escape =
        text[i] == '%' && i + 2 < text.size() && digit(text[i + 1]) >= 0 && digit(text[i + 2]) >= 0;
    result += is_escape ? static_cast<char>(digit(text[i + 1]) * 16 + digit(text[i + 2])) : text[i];
    if (is_escape) i += 2;
  }
  return result;
}

SchedulerStats stats_of(Service& service) {
  return service.has_model() ? service.engine().stats() : SchedulerStats{};
}

}  // namespace

void handle_live(const ExchangePtr& exchange) {
  exchange->send_json({{"status", "ok"}});
}

void handle_health(const ExchangePtr& exchange) {
  Service& service = exchange->service();
  const auto say = [&](const char* state) {
    HttpResponse response = error_response(unavailable(fmt::format("the server is {}", state)));
    response.body = dump({{"status", state}});
    exchange->send(std::move(response));
  };
  if (service.state() == Service::State::kLoading) return say("loading");
  if (service.state() == Service::State::kDraining) return say("draining");
  if (seconds_since_sign_of_life(service.engine()) > kStalledAfterS) return say("stalled");
  exchange->send_json({{"status", "ok"}});
}

void handle_metrics(const ExchangePtr& exchange) {
  Service& service = exchange->service();
  const std::string text = service.metrics().text(
      {.stats = stats_of(service),
       .page_positions = service.limits().page_positions,
       .version = service.limits().version,
       .fingerprint = service.has_model() ? service.model().fingerprint : ""});
  exchange->send(
      {.headers = {{"content-type", "text/plain; version=0.0.4; charset=utf-8"}}, .body = text});
}

void handle_slots(const ExchangePtr& exchange) {
  Service& service = exchange->service();
  const SchedulerStats stats = stats_of(service);
  Json slots = Json::array();
  for (int64_t i = 0; i < service.limits().parallel; ++i)
    slots.push_back({{"id", i},
                     {"n_ctx", service.model().context_tokens},
                     {"is_processing", i < stats.running}});
  exchange->send_json(slots);
}

void handle_props(const ExchangePtr& exchange) {
  Service& service = exchange->service();
  const ServedModel& model = service.model();
  const SamplingParams sampling = default_sampling(model.generation);
  const SchedulerStats stats = stats_of(service);
  exchange->send_json({{"default_generation_settings",
                        {{"n_ctx", model.context_tokens},
                         {"params",
                          {{"temperature", sampling.temperature},
                           {"top_k", sampling.top_k},
                           {"top_p", sampling.top_p},
                           {"min_p", sampling.min_p},
                           {"repeat_penalty", sampling.repeat_penalty}}}}},
                       {"total_slots", service.limits().parallel},
                       {"model_alias", model.id},
                       {"chat_template", model.template_source},
                       {"bos_token", model.special_token("bos_token")},
                       {"eos_token", model.special_token("eos_token")},
                       {"kv_pages", stats.page_limit},
                       {"kv_page_positions", service.limits().page_positions},
                       {"system_fingerprint", model.fingerprint},
                       {"build_info", "bitnetc " + service.limits().version}});
}

void handle_models(const ExchangePtr& exchange) {
  Json list = Json::array({model_json(exchange->service().model())});
  exchange->send_json({{"object", "list"}, {"data", std::move(list)}});
}

void handle_model(const ExchangePtr& exchange) {
  const ServedModel& model = exchange->service().model();
  std::string_view target = exchange->request().target;
  target = target.substr(0, target.find('?'));
  constexpr std::string_view kRoute = "/v1/models/";
  const std::string asked = percent_decoded(target.substr(target.find(kRoute) + kRoute.size()));
  if (asked == model.id) return exchange->send_json(model_json(model));
  exchange->send_error(not_found(
      fmt::format("there is no model of this name; served is '{}'", model.id), "model_not_found"));
}

void handle_version(const ExchangePtr& exchange) {
  exchange->send_json({{"version", exchange->service().limits().version}});
}

void handle_tags(const ExchangePtr& exchange) {
  const ServedModel& model = exchange->service().model();
  Json list = Json::array(
      {{{"name", model.id}, {"model", model.id}, {"details", {{"family", model.config.family}}}}});
  exchange->send_json({{"models", std::move(list)}});
}

}  // namespace bitnetc::serve
