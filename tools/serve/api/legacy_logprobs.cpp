#include "tools/serve/api/legacy_logprobs.h"

#include <algorithm>

namespace bitnetc::serve {
namespace {

int64_t characters(std::string_view text) {
  return std::ranges::count_if(text, [](char c) { return (c & 0xc0) != 0x80; });
}

// Two tokens that are spelled alike share an entry, which keeps the greater. The token itself is
// there even where others are likelier.
Json top_map(const TokenEntry& entry, const std::string& spelled, const TokenSpeller& speller) {
  if (!entry.logprob) return nullptr;
  Json map = Json::object();
  const auto add = [&](const std::string& text, double logprob) {
    const auto found = map.find(text);
    if (found == map.end())
      map[text] = logprob;
    else if (found->get<double>() < logprob)
      *found = logprob;
  };
  for (const TopToken& each : entry.top) add(speller.spell(each.id), each.logprob);
  add(spelled, *entry.logprob);
  return map;
}

}  // namespace

void LegacyLogprobs::add(std::span<const TokenEntry> entries) {
  for (const TokenEntry& each : entries) {
    const std::string spelled = speller_->spell(each.id);
    tokens_.push_back(spelled);
    logprobs_.push_back(each.logprob ? Json(*each.logprob) : Json(nullptr));
    top_.push_back(top_map(each, spelled, *speller_));
    offsets_.push_back(offset_);
    offset_ += characters(each.bytes);
  }
}

Json LegacyLogprobs::take() {
  return {{"tokens", std::exchange(tokens_, Json::array())},
          {"token_logprobs", std::exchange(logprobs_, Json::array())},
          {"top_logprobs", std::exchange(top_, Json::array())},
          {"text_offset", std::exchange(offsets_, Json::array())}};
}

}  // namespace bitnetc::serve
