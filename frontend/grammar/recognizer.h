// Follows an automaton byte by byte, in all ways at once.
//
// A head is a state and the frame it runs in. A frame is one use of a rule, begun at one place of
// the text; its callers say where it goes on behind the end of the rule, and in which frame. All
// uses of a rule that begin at the same place share a frame, so the number of heads does not grow
// with the number of ways. Frames and callers lie in two stacks: what a byte adds is on top, and
// taking it off again takes the byte back. A call that nothing follows leaves its caller's callers,
// not itself, so lists written as right recursion take no memory.
#pragma once

#include <algorithm>
#include <cstdint>
#include <span>
#include <string>
#include <unordered_map>
#include <unordered_set>
#include <vector>

#include "frontend/grammar/automaton.h"

namespace bitnetc::grammar {

using FrameId = uint32_t;

// In which the whole text is: it has no callers.
inline constexpr FrameId kRootFrame = 0;
// What a recogniser has done or holds. A byte that takes more work than kMostWork, or leads to more
// frames and callers than kMostKept, leads nowhere. What heads take together is at most the sum of
// what each takes alone.
struct Load {
  size_t work = 0;  // of one byte: edges and callers looked at
  size_t kept = 0;  // frames and callers

  void add(const Load& other) { *this = {work + other.work, kept + other.kept}; }
  void raise(const Load& other) {
    *this = {std::max(work, other.work), std::max(kept, other.kept)};
  }
  bool is_too_much() const { return work > kMostWork || kept > kMostKept; }
  static Load too_much() { return {.work = kMostWork + 1}; }

  static constexpr size_t kMostWork = 10'000, kMostKept = 30'000;
};

struct Head {
  StateId state = 0;
  FrameId frame = kRootFrame;

  auto operator<=>(const Head&) const = default;
};

// Adds to a list what is not in it. Lists are short nearly always.
class DistinctHeads {
 public:
  void add(const Head& head, size_t first, std::vector<Head>& heads);
  // Before another list.
  void clear() {
    if (!seen_.empty()) seen_.clear();
  }

 private:
  std::unordered_set<uint64_t> seen_;  // of a long list: all
};

class Recognizer {
 public:
  // The automaton outlives it. Frame 0 is the only one.
  explicit Recognizer(const Automaton& automaton)
      : automaton_(&automaton), frames_(1), frame_of_rule_(automaton.rules(), 0) {}

  struct Mark {
    size_t frames = 0, callers = 0;
  };
  Mark mark() const { return {frames_.size(), callers_.size()}; }
  // Takes back what was added since; heads that were made since are of no use any more.
  void go_back(const Mark& mark) {
    frames_.resize(mark.frames);
    callers_.resize(mark.callers);
  }

  // The heads behind `byte`, at the end of `heads`; `from` is a part of it: [first, last).
  // None: the byte cannot follow.
  void step(size_t first, size_t last, uint8_t byte, std::vector<Head>& heads);
  // Of the last step.
  Load load() const { return {work_, kept()}; }
  size_t kept() const { return frames_.size() + callers_.size(); }

  // Adds the heads at which `head`'s callers go on, and theirs, to heads[first..). load() is of it.
  void add_returns(const Head& head, size_t first, std::vector<Head>& heads);

  // Keeps the frames that `heads` need, and numbers them anew in the order in which they are met.
  void compact(std::vector<Head>& heads);
  // Heads and frames as bytes: equal ones go on alike.
  std::string key(std::span<const Head> heads) const;

 private:
  static constexpr uint32_t kNone = UINT32_MAX;
  struct Caller {
    StateId state = 0;  // where the frame goes on
    FrameId frame = 0;
    uint32_t next = kNone;
  };
  struct Frame {
    RuleId rule = 0;
    uint32_t callers = kNone;
    uint32_t count = 0;
  };

  void call(RuleId rule, const Head& caller, FrameId base);
  void call_all(const Head& head, uint8_t byte, FrameId base);
  void add_caller(FrameId frame, const Head& caller);
  // The heads at which the callers of heads[from..) go on, and theirs.
  void follow_returns(size_t from, size_t first, std::vector<Head>& heads);
  void add_callers_of(FrameId frame, size_t first, std::vector<Head>& heads);

  const Automaton* automaton_;
  std::vector<Frame> frames_;
  std::vector<Caller> callers_;
  std::vector<FrameId> frame_of_rule_;  // the last one; of this place if it is new
  std::vector<Head> called_;            // starts of the rules called at this place
  std::vector<Head> waiting_;           // callers to be looked at
  DistinctHeads distinct_, distinct_waiting_;
  // Of frames of this place that have many callers: these.
  std::unordered_map<FrameId, std::unordered_set<uint64_t>> many_callers_;
  size_t work_ = 0;
};

}  // namespace bitnetc::grammar
