#include "tools/serve/engine/grammar_cache.h"

#include <algorithm>

#include "frontend/grammar_filter.h"

namespace bitnetc::serve {
namespace {

// Masks are made by the engine's thread, for which all requests wait: at most some 50 ms for one.
// 8 MiB are 500 masks of a vocabulary of 128,256.
constexpr TokenMaskOptions kMaskOptions = {.cache_bytes = size_t{8} << 20, .most_work = 5'000'000};

// Lengths keep apart what stands one behind the other.
void add(std::string_view text, std::string& key) {
  key += fmt::format("{} {}", text.size(), text);
}

}  // namespace

std::string GrammarSource::key() const {
  std::string key = fmt::format("{} {} ", static_cast<int>(kind), static_cast<int>(think));
  add(text, key);
  if (kind != Kind::kToolCalls) return key;
  key +=
      fmt::format(" {} {} {} ", static_cast<int>(calls.form), calls.must_call, calls.may_call_many);
  add(calls.text_schema, key);
  for (const ChatTool& each : calls.tools) {
    add(each.name, key);
    add(each.parameters, key);
  }
  return key;
}

Result<Grammar::Ptr> GrammarSource::compile() const {
  switch (kind) {
    case Kind::kGbnf: return Grammar::from_gbnf(text, think);
    case Kind::kJsonSchema: return Grammar::from_json_schema(text, think);
    case Kind::kRegex: return Grammar::from_regex(text, think);
    case Kind::kToolCalls: return Grammar::from_tool_calls(calls, think);
    case Kind::kJsonObject: break;
  }
  return Grammar::json_object(think);
}

std::shared_ptr<TokenMasks> GrammarCache::find(const std::string& key) {
  const std::lock_guard lock(mutex_);
  const auto found = std::ranges::find(entries_, key, &Entry::key);
  if (found == entries_.end()) return nullptr;
  entries_.splice(entries_.begin(), entries_, found);
  return found->masks;
}

Result<TokenTrie::Ptr> GrammarCache::trie() {
  const std::lock_guard lock(mutex_);
  if (trie_ == nullptr) {
    BITNETC_ASSIGN_OR_RETURN(trie_, TokenTrie::create(*tokenizer_));
  }
  return trie_;
}

Result<std::shared_ptr<const TokenFilter>> GrammarCache::filter(const GrammarSource& source,
                                                                std::vector<int32_t> end_ids) {
  std::string key = source.key();
  for (const int32_t id : end_ids) key += fmt::format(" {}", id);
  std::shared_ptr<TokenMasks> masks = find(key);
  if (masks == nullptr) {
    BITNETC_ASSIGN_OR_RETURN(Grammar::Ptr grammar, source.compile());
    BITNETC_ASSIGN_OR_RETURN(TokenTrie::Ptr its_trie, trie());
    masks = std::make_shared<TokenMasks>(std::move(grammar), std::move(its_trie),
                                         std::move(end_ids), kMaskOptions);
    const std::lock_guard lock(mutex_);
    entries_.push_front({std::move(key), masks});
    if (entries_.size() > kMostKept) entries_.pop_back();
  }
  return std::shared_ptr<const TokenFilter>(std::make_shared<const GrammarFilter>(masks));
}

}  // namespace bitnetc::serve
