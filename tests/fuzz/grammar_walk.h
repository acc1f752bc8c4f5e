// Follows a grammar that a fuzzer made, by the ids that its masks let through.
#pragma once

#include <memory>
#include <string>
#include <string_view>
#include <vector>

#include "frontend/grammar_filter.h"
#include "frontend/unicode/utf8.h"
#include "runtime/status.h"

namespace bitnetc {

inline void walk_grammar(const Result<Grammar::Ptr>& grammar) {
  if (!grammar.ok()) {
    BITNETC_CHECK(!grammar.status().message().empty(), "no message");
    return;
  }
  std::vector<std::string> texts;
  for (int byte = 0; byte < 256; ++byte) texts.emplace_back(1, static_cast<char>(byte));
  for (const char* each : {"ab", "\":", "{\"", "\u00e9", "aaaa", "0,", "\"}"})
    texts.emplace_back(each);
  const auto end_id = static_cast<int32_t>(texts.size());
  GrammarFilter filter(std::make_shared<TokenMasks>(
      *grammar, std::make_shared<const TokenTrie>(texts), std::vector<int32_t>{end_id},
      TokenMaskOptions{.cache_bytes = 1 << 16, .most_work = 50'000}));
  std::string text;
  for (uint32_t step = 0; step < 40; ++step) {
    const auto mask = filter.allowed();
    std::vector<int32_t> ids;
    for (int32_t id = 0; id < end_id; ++id)
      if ((mask[static_cast<size_t>(id) / 64] >> id % 64 & 1) != 0) ids.push_back(id);
    if (ids.empty()) break;
    const int32_t id = ids[step * 7919u % ids.size()];
    BITNETC_CHECK(filter.accept(id), "id {} behind {} bytes", id, text.size());
    text += texts[static_cast<size_t>(id)];
  }
  if (filter.may_end())
    BITNETC_CHECK(find_invalid_utf8(text) == std::string::npos, "{} bytes", text.size());
}

}  // namespace bitnetc
