// A regex of a tokenizer.json, compiled with PCRE2 and its JIT. Immutable, any thread may use one;
// a RegexSearch is the scratch space of one thread.
#pragma once

#include <memory>
#include <string_view>
#include <vector>

#include "runtime/status.h"

struct pcre2_real_code_8;
struct pcre2_real_match_data_8;
struct pcre2_real_match_context_8;
struct pcre2_real_jit_stack_8;

namespace bitnetc {

class TokenizerRegex {
 public:
  // Error: kUnsupported for a pattern outside the common dialect (regex_dialect.h) or one PCRE2
  // refuses.
  static Result<TokenizerRegex> compile(std::string_view pattern);

 private:
  friend class RegexSearch;
  struct Deleter {
    void operator()(pcre2_real_code_8* code) const;
  };
  std::unique_ptr<pcre2_real_code_8, Deleter> code_;
};

struct TextRange {
  size_t begin;
  size_t end;
};

class RegexSearch {
 public:
  explicit RegexSearch(const TokenizerRegex& regex);
  ~RegexSearch();
  RegexSearch(const RegexSearch&) = delete;
  RegexSearch& operator=(const RegexSearch&) = delete;

  // Replaces `matches` by all matches in `text` (valid UTF-8), leftmost first, none overlapping. An
  // empty match right behind another match does not count.
  //   Error  kUnsupported if PCRE2 gives up (its match, depth or stack limit): never a partial
  //          answer
  Status find_all(std::string_view text, std::vector<TextRange>& matches);

 private:
  Result<bool> find(std::string_view text, size_t from, TextRange& match);

  const TokenizerRegex& regex_;
  pcre2_real_match_data_8* match_data_;
  pcre2_real_match_context_8* context_;
  pcre2_real_jit_stack_8* stack_;
};

}  // namespace bitnetc
