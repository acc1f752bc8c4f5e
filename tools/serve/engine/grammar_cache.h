// Filters of the grammars that requests bring. What a grammar was compiled to, and its masks, are
// kept for requests with the same one: agents send the same schemas again and again.
#pragma once

#include <list>
#include <memory>
#include <mutex>
#include <string>
#include <vector>

#include "frontend/grammar.h"
#include "frontend/token_trie.h"
#include "runtime/token_filter.h"

namespace bitnetc {
class TokenMasks;
}

namespace bitnetc::serve {

// A grammar as a request brings it.
struct GrammarSource {
  enum class Kind { kGbnf, kJsonSchema, kJsonObject, kRegex, kToolCalls };
  Kind kind = Kind::kJsonObject;
  std::string text;                      // of a notation
  ToolCallRules calls;                   // of kToolCalls
  ThinkPlace think = ThinkPlace::kNone;  // what may come before a text of it

  std::string key() const;  // equal ones are the same grammar
  Result<Grammar::Ptr> compile() const;
};

// Any thread may use it.
class GrammarCache {
 public:
  explicit GrammarCache(std::shared_ptr<const Tokenizer> tokenizer)
      : tokenizer_(std::move(tokenizer)) {}

  // One that is at its beginning; the text may end by `end_ids`. Error: as of Grammar's readers.
  Result<std::shared_ptr<const TokenFilter>> filter(const GrammarSource& source,
                                                    std::vector<int32_t> end_ids);

  static constexpr size_t kMostKept = 16;

 private:
  struct Entry {
    std::string key;
    std::shared_ptr<TokenMasks> masks;
  };
  std::shared_ptr<TokenMasks> find(const std::string& key);  // null: not there
  Result<TokenTrie::Ptr> trie();

  const std::shared_ptr<const Tokenizer> tokenizer_;
  std::mutex mutex_;
  TokenTrie::Ptr trie_;       // made for the first grammar
  std::list<Entry> entries_;  // the last used first
};

}  // namespace bitnetc::serve
