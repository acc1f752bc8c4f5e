#include "frontend/grammar/plain_runs.h"

#include <set>

namespace bitnetc::grammar {

size_t PlainRuns::length(StateId state, size_t most) {
  for (size_t count = 0; count < most; ++count) {
    const std::optional<StateId> target = next(state);
    if (!target) return count;
    if (*target == state) return most;
    state = *target;
  }
  return most;
}

std::optional<StateId> PlainRuns::next(StateId state) {
  if (const auto known = known_.find(state); known != known_.end()) return known->second;
  static const std::vector<std::vector<ByteRange>> sequences = utf8_sequences(plain_characters());
  Recognizer recognizer(automaton_);
  std::optional<StateId> target;
  bool all = true;
  for (const std::vector<ByteRange>& sequence : sequences)
    all = all && follow(recognizer, {{state, kRootFrame}}, sequence, 0, target);
  if (!all) target.reset();
  known_.emplace(state, target);
  return target;
}

// Bytes that lead to the same heads in the same frames go on alike.
bool PlainRuns::follow(Recognizer& recognizer, const std::vector<Head>& heads,
                       const std::vector<ByteRange>& sequence, size_t at,
                       std::optional<StateId>& target) {
  const Recognizer::Mark mark = recognizer.mark();
  std::set<std::string> seen;
  for (int byte = sequence[at].first; byte <= sequence[at].last; ++byte) {
    std::vector<Head> next = heads;
    recognizer.step(0, heads.size(), static_cast<uint8_t>(byte), next);
    load_.raise(recognizer.load());
    next.erase(next.begin(), next.begin() + static_cast<ptrdiff_t>(heads.size()));
    bool goes_on = !next.empty();
    if (goes_on && at + 1 < sequence.size()) {
      if (seen.insert(recognizer.key(next)).second)
        goes_on = follow(recognizer, next, sequence, at + 1, target);
    } else if (goes_on) {
      goes_on = next.size() == 1 && next[0].frame == kRootFrame &&
                !automaton_.accepts(next[0].state) &&
                target.value_or(next[0].state) == next[0].state;
      if (goes_on) target = next[0].state;
    }
    recognizer.go_back(mark);
    if (!goes_on) return false;
  }
  return true;
}

}  // namespace bitnetc::grammar
