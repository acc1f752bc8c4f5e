// States in which any plain characters (frontend/token_trie.h) may follow, as inside a string.
#pragma once

#include <optional>
#include <unordered_map>

#include "frontend/grammar/recognizer.h"

namespace bitnetc::grammar {

class PlainRuns {
 public:
  explicit PlainRuns(const Automaton& automaton) : automaton_(automaton) {}

  // How many plain characters may follow for sure, whichever they are and whatever the callers of
  // the frame; counted up to `most`. On the way the frame is never at an end.
  size_t length(StateId state, size_t most);
  // The most that one byte of any run took so far.
  const Load& load() const { return load_; }

 private:
  // Where every plain character leads from `state`: to one and the same. Nothing: it does not.
  std::optional<StateId> next(StateId state);
  bool follow(Recognizer& recognizer, const std::vector<Head>& heads,
              const std::vector<ByteRange>& sequence, size_t at, std::optional<StateId>& target);

  const Automaton& automaton_;
  std::unordered_map<StateId, std::optional<StateId>> known_;
  Load load_;
};

}  // namespace bitnetc::grammar
