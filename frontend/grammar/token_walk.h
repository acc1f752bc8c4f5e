// Walks a part of a token tree and the automaton together.
#pragma once

#include <cstdint>
#include <vector>

#include "frontend/grammar/recognizer.h"
#include "frontend/token_trie.h"

namespace bitnetc::grammar {

inline void set_id(std::vector<uint64_t>& bits, int32_t id) {
  bits[static_cast<size_t>(id) / 64] |= uint64_t{1} << id % 64;
}

class TokenWalk {
 public:
  // The grammar's automaton and the bits outlive it. `work` is counted down by what it does, a node
  // or a unit of Load::work; at 0 it stops.
  TokenWalk(const Automaton& automaton, std::vector<uint64_t>& bits, int64_t& work)
      : automaton_(automaton), bits_(bits), work_(work) {}

  // Sets the bits of all ids in nodes [begin, end) that can follow `heads`; `depth` is that of the
  // node behind which the heads stand. Nodes inside at which the root frame is at an end, and which
  // have more nodes below, are appended to `exits`, if it is given. Afterwards `recognizer` is as
  // it was. Returns the largest work of a byte, and the most that was kept besides what was there.
  Load walk(Recognizer& recognizer, const std::vector<Head>& heads, const TokenTrie::Tree& tree,
            size_t begin, size_t end, size_t depth, std::vector<uint32_t>* exits) {
    const auto nodes = tree.nodes();
    heads_ = heads;
    levels_.assign(1, {0, heads_.size(), recognizer.mark()});
    const size_t kept_before = recognizer.kept();
    Load most;
    for (size_t at = begin; at < end && work_ > 0;) {
      const TokenTrie::Node& node = nodes[at];
      const size_t level = node.depth - depth;
      levels_.resize(level);
      const Level parent = levels_.back();
      recognizer.go_back(parent.mark);
      heads_.resize(parent.last);
      recognizer.step(parent.first, parent.last, node.byte, heads_);
      const size_t made = heads_.size() - parent.last;
      const Load load = recognizer.load();
      most.raise({load.work, load.kept - kept_before});
      work_ -= static_cast<int64_t>(1 + load.work);
      if (made == 0) {
        at = node.end;
        continue;
      }
      for (const int32_t id : tree.ids_at(node)) set_id(bits_, id);
      levels_.push_back({parent.last, heads_.size(), recognizer.mark()});
      if (exits != nullptr && node.end > at + 1 && is_at_end(parent.last))
        exits->push_back(static_cast<uint32_t>(at));
      ++at;
    }
    recognizer.go_back(levels_.front().mark);
    return most;
  }

 private:
  struct Level {
    size_t first, last;  // heads
    Recognizer::Mark mark;
  };

  bool is_at_end(size_t first) const {
    for (size_t i = first; i < heads_.size(); ++i)
      if (heads_[i].frame == kRootFrame && automaton_.accepts(heads_[i].state)) return true;
    return false;
  }

  const Automaton& automaton_;
  std::vector<uint64_t>& bits_;
  int64_t& work_;
  std::vector<Head> heads_;
  std::vector<Level> levels_;
};

}  // namespace bitnetc::grammar
