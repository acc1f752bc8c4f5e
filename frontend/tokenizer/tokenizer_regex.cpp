#include "frontend/tokenizer/tokenizer_regex.h"

#include <algorithm>

#define PCRE2_CODE_UNIT_WIDTH 8
#include <pcre2.h>

#include "frontend/tokenizer/regex_dialect.h"
#include "frontend/unicode/utf8.h"

namespace bitnetc {
namespace {

constexpr size_t kMaxPatternBytes = 1 << 16;
// Backtracking steps of one search. A run of spaces is walked back once per alternative, so the
// limit grows with the text; what exceeds it is exponential, not long.
constexpr size_t kMatchLimitBase = 10'000'000;
constexpr size_t kMatchLimitPerByte = 64;
constexpr size_t kJitStackBytes = 32 << 10;
constexpr size_t kMaxJitStackBytes = 8 << 20;

std::string pcre2_message(int code) {
  PCRE2_UCHAR buffer[256];
  pcre2_get_error_message(code, buffer, sizeof(buffer));
  return reinterpret_cast<const char*>(buffer);
}

PCRE2_SPTR pcre2_text(std::string_view text) {
  return reinterpret_cast<PCRE2_SPTR>(text.data());
}

}  // namespace

void TokenizerRegex::Deleter::operator()(pcre2_real_code_8* code) const {
  pcre2_code_free(code);
}

Result<TokenizerRegex> TokenizerRegex::compile(std::string_view pattern) {
  if (pattern.size() > kMaxPatternBytes) {
    return make_error(StatusCode::kUnsupported, "a regex of {} bytes: expected at most {}",
                      pattern.size(), kMaxPatternBytes);
  }
  BITNETC_ASSIGN_OR_RETURN(const std::string translated, pcre2_pattern(pattern));

  const std::unique_ptr<pcre2_compile_context, decltype(&pcre2_compile_context_free)> context(
      pcre2_compile_context_create(nullptr), &pcre2_compile_context_free);
  BITNETC_CHECK(context != nullptr, "out of memory for a PCRE2 compile context");
  pcre2_set_newline(context.get(), PCRE2_NEWLINE_LF);  // '.' excludes '\n' and nothing else
  int error = 0;
  PCRE2_SIZE error_offset = 0;
  TokenizerRegex regex;
  regex.code_.reset(pcre2_compile(pcre2_text(translated), translated.size(), PCRE2_UTF | PCRE2_UCP,
                                  &error, &error_offset, context.get()));
  if (regex.code_ == nullptr) {
    return make_error(StatusCode::kUnsupported, "PCRE2 refuses the regex at \"{}\": {}",
                      translated.substr(std::min(error_offset, translated.size())),
                      pcre2_message(error));
  }
  // Without the JIT (a system that forbids it) the interpreter gives the same answers, slower.
  pcre2_jit_compile(regex.code_.get(), PCRE2_JIT_COMPLETE);
  return regex;
}

RegexSearch::RegexSearch(const TokenizerRegex& regex)
    : regex_(regex),
      match_data_(pcre2_match_data_create(1, nullptr)),
      context_(pcre2_match_context_create(nullptr)),
      stack_(pcre2_jit_stack_create(kJitStackBytes, kMaxJitStackBytes, nullptr)) {
  BITNETC_CHECK(match_data_ != nullptr && context_ != nullptr, "out of memory for a regex search");
  // A null stack (no JIT) leaves the machine stack in use.
  pcre2_jit_stack_assign(context_, nullptr, stack_);
}

RegexSearch::~RegexSearch() {
  pcre2_jit_stack_free(stack_);
  pcre2_match_context_free(context_);
  pcre2_match_data_free(match_data_);
}

Result<bool> RegexSearch::find(std::string_view text, size_t from, TextRange& match) {
  const int found = pcre2_match(regex_.code_.get(), pcre2_text(text), text.size(), from,
                                PCRE2_NO_UTF_CHECK, match_data_, context_);
  if (found == PCRE2_ERROR_NOMATCH) return false;
  if (found < 0) {
    return make_error(StatusCode::kUnsupported,
                      "the pre-tokenizer's regex gave up at byte {} of a text of {}: {}", from,
                      text.size(), pcre2_message(found));
  }
  const PCRE2_SIZE* range = pcre2_get_ovector_pointer(match_data_);
  match = {range[0], range[1]};
  return true;
}

Status RegexSearch::find_all(std::string_view text, std::vector<TextRange>& matches) {
  matches.clear();
  pcre2_set_match_limit(context_,
                        static_cast<uint32_t>(std::min<size_t>(
                            UINT32_MAX, kMatchLimitBase + kMatchLimitPerByte * text.size())));
  size_t from = 0;
  while (from <= text.size()) {
    TextRange match{};
    BITNETC_ASSIGN_OR_RETURN(const bool found, find(text, from, match));
    if (!found) break;
    const bool is_empty = match.begin == match.end;
    if (is_empty && !matches.empty() && matches.back().end == match.end) {
      from += from < text.size() ? first_utf8_unit(text.substr(from)).length_bytes : 1;
      continue;
    }
    matches.push_back(match);
    from = match.end;
  }
  return {};
}

}  // namespace bitnetc
