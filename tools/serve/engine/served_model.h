// What the server knows of the model besides how to run it.
#pragma once

#include <cstdint>
#include <memory>
#include <optional>
#include <string>

#include "frontend/chat.h"
#include "frontend/tokenizer.h"
#include "runtime/model_config.h"
#include "runtime/status.h"
#include "tools/engine/engine.h"
#include "tools/serve/engine/grammar_cache.h"

namespace bitnetc::serve {

struct ServedModel {
  std::string id;           // what clients call it
  std::string fingerprint;  // equal ones promise equal answers to equal requests
  int64_t created_s = 0;    // Unix time
  int64_t context_tokens = 0;
  ModelConfig config;
  GenerationDefaults generation;
  EncoderDefaults encoder;
  SpecialTokens special_tokens;
  std::shared_ptr<const Tokenizer> tokenizer;
  std::string template_source;                        // empty: none
  std::unique_ptr<const ChatTemplate> chat_template;  // null: none
  std::optional<int32_t> end_of_answer;               // of the template
  std::unique_ptr<GrammarCache> grammars;             // of requests

  bool writes_text() const { return config.output == ModelOutput::kLogits; }
  std::string special_token(const char* name) const;  // "eos_token"; empty: none
};

struct ModelNames {
  std::string id;               // empty: from `model_name`
  std::string model_name;       // as it was asked for
  std::string template_source;  // instead of the model's own; empty: that
  std::string template_origin;  // for messages
};
// Takes the tokenizer of `engine`. Error: as ChatTemplate::create().
Result<ServedModel> make_served_model(Engine& engine, const ModelNames& names,
                                      int64_t context_tokens);

}  // namespace bitnetc::serve
