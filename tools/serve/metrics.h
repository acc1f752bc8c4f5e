// Counters for those who watch the server, in Prometheus' text format.
#pragma once

#include <cstdint>
#include <memory>
#include <string>

#include "runtime/scheduler.h"
#include "tools/serve/access_log.h"

namespace bitnetc::serve {

class Metrics {
 public:
  Metrics();
  ~Metrics();

  // A request has its full answer, or will have none.
  void count(const AccessRecord& record);
  // A request waited so long for its place; a token came so long behind the one before it.
  void observe_queue(double seconds);
  void observe_token(double seconds);

  struct State {
    SchedulerStats stats;
    int64_t page_positions = 64;
    std::string version, fingerprint;
  };
  std::string text(const State& state);

 private:
  struct Impl;
  const std::unique_ptr<Impl> impl_;
};

}  // namespace bitnetc::serve
