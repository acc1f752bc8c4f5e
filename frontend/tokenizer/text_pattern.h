// What Split and Replace look for: a literal text or a regex.
#pragma once

#include <optional>
#include <string>
#include <string_view>
#include <vector>

#include "frontend/tokenizer/tokenizer_regex.h"
#include "runtime/status.h"

namespace bitnetc {

class TextPattern {
 public:
  static Result<TextPattern> literal(std::string text);  // kUnsupported for an empty text
  static Result<TextPattern> regex(std::string_view pattern);

 private:
  friend class TextSearch;
  std::string literal_;
  std::optional<TokenizerRegex> regex_;  // set: literal_ is not used
};

// The scratch space for searching many texts; belongs to one thread. The pattern outlives it.
class TextSearch {
 public:
  explicit TextSearch(const TextPattern& pattern);
  // As RegexSearch::find_all.
  Status find_all(std::string_view text, std::vector<TextRange>& matches);

 private:
  const TextPattern& pattern_;
  std::optional<RegexSearch> regex_search_;
};

}  // namespace bitnetc
