#include "frontend/tokenizer/text_pattern.h"

namespace bitnetc {

Result<TextPattern> TextPattern::literal(std::string text) {
  if (text.empty()) return Status(StatusCode::kUnsupported, "an empty pattern");
  TextPattern pattern;
  pattern.literal_ = std::move(text);
  return pattern;
}

Result<TextPattern> TextPattern::regex(std::string_view source) {
  TextPattern pattern;
  BITNETC_ASSIGN_OR_RETURN(pattern.regex_, TokenizerRegex::compile(source));
  return pattern;
}

TextSearch::TextSearch(const TextPattern& pattern) : pattern_(pattern) {
  if (pattern.regex_) regex_search_.emplace(*pattern.regex_);
}

Status TextSearch::find_all(std::string_view text, std::vector<TextRange>& matches) {
  if (regex_search_) return regex_search_->find_all(text, matches);
  matches.clear();
  const std::string& literal = pattern_.literal_;
  for (size_t at = text.find(literal); at != std::string_view::npos;
       at = text.find(literal, at + literal.size())) {
    matches.push_back({at, at + literal.size()});
  }
  return {};
}

}  // namespace bitnetc
