// Constrains generation to a grammar: which ids of a vocabulary may come next, and a TokenFilter
// that follows the tokens that do. How masks are made and kept: docs/grammars.md.
#pragma once

#include <cstdint>
#include <memory>
#include <vector>

#include "frontend/grammar.h"
#include "frontend/token_trie.h"
#include "runtime/token_filter.h"

namespace bitnetc {

struct TokenMaskOptions {
  size_t cache_bytes = size_t{64} << 20;  // of masks that are kept
  // Nodes of the token tree, edges and callers (frontend/grammar/recognizer.h) that one mask may
  // look at, twice if need be; ids that are not reached by then are refused. Only grammars that are
  // ambiguous everywhere come near it.
  int64_t most_work = 50'000'000;
};

// The masks of one grammar and one vocabulary. Any thread may use one; one computes at a time.
class TokenMasks {
 public:
  // A bit of each id; shared with the cache.
  using Mask = std::shared_ptr<const std::vector<uint64_t>>;
  using Options = TokenMaskOptions;

  // `end_ids` may come where the grammar may end, whatever their texts.
  TokenMasks(Grammar::Ptr grammar, TokenTrie::Ptr trie, std::vector<int32_t> end_ids,
             const TokenMaskOptions& options = {});
  ~TokenMasks();

  // The ids whose bytes can follow, and the end ids if the text may end. `as_first`: no token has
  // been taken yet.
  Mask mask(const GrammarState& state, bool as_first);

  const TokenTrie& trie() const;
  const Grammar::Ptr& grammar() const;
  bool is_end(int32_t id) const;

 private:
  struct Impl;
  std::unique_ptr<Impl> impl_;
};

class GrammarFilter final : public TokenFilter {
 public:
  explicit GrammarFilter(std::shared_ptr<TokenMasks> masks);

  std::span<const uint64_t> allowed() override;
  bool accept(int32_t id) override;
  bool may_end() const override { return has_ended_ || state_.may_end(); }
  std::unique_ptr<TokenFilter> fork() const override;
  // The bytes that have to come next (GrammarState::forced_bytes).
  std::string forced_bytes() const { return has_ended_ ? std::string() : state_.forced_bytes(); }

 private:
  std::shared_ptr<TokenMasks> masks_;
  GrammarState state_;
  bool is_first_ = true;
  bool has_ended_ = false;  // an end id came
  TokenMasks::Mask mask_;   // of state_, once it was asked for
};

}  // namespace bitnetc
