// What every handler of a request reaches: the model and its engine once they are loaded, limits,
// metrics, the log.
#pragma once

#include <atomic>
#include <memory>
#include <string>

#include "tools/serve/access_log.h"
#include "tools/serve/api/error.h"
#include "tools/serve/engine/served_model.h"
#include "tools/serve/engine/token_engine.h"
#include "tools/serve/metrics.h"

namespace bitnetc::serve {

struct ServiceOptions {
  int64_t timeout_ns = 0;  // of a request, 0: none
  int64_t parallel = 1;
  int64_t page_positions = 64;
  bool has_page = true;  // GET / answers with a page to chat in
  LogFormat log_format = LogFormat::kText;
  std::function<void(const std::string& line)> log_line = {};  // empty: there is no log
  std::string version;
};

class Service {
 public:
  enum class State { kLoading, kReady, kDraining };

  explicit Service(ServiceOptions options)
      : options_(std::move(options)), log_(options_.log_format, options_.log_line) {}

  const ServiceOptions& limits() const { return options_; }
  Metrics& metrics() { return metrics_; }
  AccessLog& log() { return log_; }

  State state() const { return state_; }
  void set_ready(std::unique_ptr<const ServedModel> model, std::unique_ptr<TokenEngine> engine) {
    model_ = std::move(model);
    engine_ = std::move(engine);
    state_ = State::kReady;
  }
  void set_draining() { state_ = State::kDraining; }

  // Once it has been kReady.
  bool has_model() const { return state_ != State::kLoading && engine_ != nullptr; }
  const ServedModel& model() const { return *model_; }
  TokenEngine& engine() { return *engine_; }

  std::atomic<int64_t> open_requests{0};  // that have no full answer yet

 private:
  const ServiceOptions options_;
  Metrics metrics_;
  AccessLog log_;
  std::atomic<State> state_{State::kLoading};
  std::unique_ptr<const ServedModel> model_;
  std::unique_ptr<TokenEngine> engine_;
};

}  // namespace bitnetc::serve
