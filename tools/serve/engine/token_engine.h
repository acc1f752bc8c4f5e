// What the server asks of whatever runs the model: ids in, ids out. Any thread may call it;
// callbacks come from the engine's own thread and must not block it.
#pragma once

#include <atomic>
#include <functional>
#include <memory>
#include <vector>

#include "runtime/scheduler.h"
#include "runtime/status.h"
#include "tools/engine/embedding.h"

namespace bitnetc::serve {

struct EmbeddingJob {
  std::vector<TextIds> texts;
  std::shared_ptr<std::atomic<bool>> is_cancelled = std::make_shared<std::atomic<bool>>(false);
  // Once, a vector for each text in their order; kCancelled where nobody wants them any more.
  std::function<void(Result<std::vector<std::vector<float>>>)> on_end;
};

class TokenEngine {
 public:
  virtual ~TokenEngine() = default;
  // Error: as Scheduler::submit(), but kOutOfMemory only where `is_first` of the tokens that one
  // request of a client asks for: what follows the first part of a request always has room.
  virtual Result<RequestId> submit(TokenRequest request, bool is_first) = 0;
  virtual void cancel(RequestId request) = 0;
  // Error: kOutOfMemory where as many wait as may; kUnsupported for a model that writes text.
  virtual Status embed(EmbeddingJob job) = 0;
  virtual SchedulerStats stats() const = 0;
  // Ends everything: callers are told kCancelled.
  virtual void cancel_all() = 0;
  // When the engine's thread last finished a step or was idle, in nanoseconds of the steady clock.
  virtual int64_t last_sign_of_life_ns() const = 0;
};

}  // namespace bitnetc::serve
