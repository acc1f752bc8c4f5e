// tokenizer_config.json: the special tokens by name, and the chat template where it is not a file
// of its own.
#pragma once

#include <nlohmann/json.hpp>
#include <string>
#include <vector>

#include "frontend/chat.h"
#include "runtime/status.h"

namespace bitnetc {

struct TokenizerConfig {
  SpecialTokens special_tokens;
  std::string chat_template;
};

// `origin`, printable, opens every message. `notes` gets a printable line for a template that is
// not used. Error: kDataCorrupt naming a special token that is neither a text nor an object with
// one.
Result<TokenizerConfig> read_tokenizer_config(const nlohmann::json& document,
                                              const std::string& origin,
                                              std::vector<std::string>* notes);

}  // namespace bitnetc
