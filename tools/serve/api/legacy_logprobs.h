// Probabilities as /v1/completions tells them: four lists of equal length.
#pragma once

#include <span>

#include "tools/serve/api/json.h"
#include "tools/serve/api/token_text.h"

namespace bitnetc::serve {

class LegacyLogprobs {
 public:
  explicit LegacyLogprobs(const TokenSpeller& speller) : speller_(&speller) {}

  void add(std::span<const TokenEntry> entries);
  // What was added since the last call; offsets go on, in characters of the text.
  Json take();

 private:
  const TokenSpeller* speller_;
  int64_t offset_ = 0;
  Json tokens_ = Json::array(), logprobs_ = Json::array(), top_ = Json::array(),
       offsets_ = Json::array();
};

}  // namespace bitnetc::serve
