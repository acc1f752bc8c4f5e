// The TokenEngine of a model: one thread that runs a Scheduler, or makes vectors with a text
// encoder.
#pragma once

#include <memory>

#include "tools/serve/engine/token_engine.h"

namespace bitnetc::serve {

struct ModelEngineOptions {
  SchedulerOptions scheduler;  // most_waiting: of requests; their further parts always have room
  Pooling pooling = Pooling::kLast;  // of a text encoder
};

// The executor is the engine's alone from now on. Error: as Scheduler::create().
Result<std::unique_ptr<TokenEngine>> make_model_engine(std::shared_ptr<Executor> executor,
                                                       const ModelEngineOptions& options);

}  // namespace bitnetc::serve
