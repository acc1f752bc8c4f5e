// What the opaque types of bitnetc.h are.
#pragma once

#include <atomic>
#include <memory>
#include <mutex>
#include <optional>
#include <string>
#include <vector>

#include "frontend/chat.h"
#include "runtime/cancel_token.h"
#include "runtime/executor.h"
#include "runtime/sampler.h"
#include "runtime/session.h"
#include "tools/capi/bitnetc.h"
#include "tools/engine/engine.h"

namespace bitnetc::capi {

// What sequences need of a model; they keep it when the model is freed before them.
struct OpenModel {
  std::string name;
  int threads = 1;
  Engine engine;
  std::unique_ptr<const ChatTemplate> chat_template;  // null: there is none, or none that is read
  Status template_problem;                            // why there is none
  std::optional<int32_t> end_of_answer;               // of the template

  std::mutex embedding_mutex;                  // held by the call that uses what follows
  std::unique_ptr<CpuExecutor> embedder = {};  // made by the first call

  const ModelDescription& description() const { return engine.model->description(); }
};

}  // namespace bitnetc::capi

// NOLINTBEGIN(readability-identifier-naming): names of the C API.
struct bitnetc_cancel {
  bitnetc::CancelToken token = false;
};

struct bitnetc_model {
  std::shared_ptr<bitnetc::capi::OpenModel> open;
};

struct bitnetc_sampler {
  bitnetc::Sampler sampler;
};

struct bitnetc_sequence {
  std::shared_ptr<bitnetc::capi::OpenModel> open;
  std::shared_ptr<std::atomic_flag> taken;  // shared with its forks
  std::unique_ptr<bitnetc::Session> session;
  std::vector<int32_t> tokens = {};
  std::vector<float> logits = {};  // empty: there are none
  // Of the last bitnetc_generate().
  std::string text = {};
  std::vector<int32_t> generated = {};
};
// NOLINTEND(readability-identifier-naming)

namespace bitnetc::capi {

inline const CancelToken* token_of(const bitnetc_cancel* cancel) {
  return cancel ? &cancel->token : nullptr;
}

}  // namespace bitnetc::capi
