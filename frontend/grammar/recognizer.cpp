#include "frontend/grammar/recognizer.h"

#include <algorithm>
#include <cstring>

namespace bitnetc::grammar {

void Recognizer::add_head(const Head& head, size_t first, std::vector<Head>& heads) {
  const auto from = heads.begin() + static_cast<ptrdiff_t>(first);
  if (std::find(from, heads.end(), head) == heads.end()) heads.push_back(head);
}

void Recognizer::add_caller(FrameId frame, const Head& caller) {
  for (uint32_t i = frames_[frame].callers; i != kNone; i = callers_[i].next)
    if (callers_[i].state == caller.state && callers_[i].frame == caller.frame) return;
  if (frames_[frame].count == kMostHeads) return;
  ++frames_[frame].count;
  callers_.push_back({caller.state, caller.frame, frames_[frame].callers});
  frames_[frame].callers = static_cast<uint32_t>(callers_.size() - 1);
}

// `caller` is where the frame of the rule goes on. Frames from `base` on are of this place and may
// get callers still; the callers of older ones are all there.
void Recognizer::call(RuleId rule, const Head& caller, FrameId base) {
  FrameId frame = frame_of_rule_[rule];
  if (frame < base || frame >= frames_.size() || frames_[frame].rule != rule) {
    frame = static_cast<FrameId>(frames_.size());
    frames_.push_back({.rule = rule});
    frame_of_rule_[rule] = frame;
    called_.push_back({automaton_->rule(rule).start, frame});
  }
  // Where the caller's frame has nothing to do but to return, its own callers take its place.
  waiting_.assign(1, caller);
  for (size_t at = 0; at < waiting_.size(); ++at) {
    const Head each = waiting_[at];
    if (each.frame == kRootFrame || each.frame >= base || !automaton_->only_accepts(each.state)) {
      add_caller(frame, each);
      continue;
    }
    for (uint32_t i = frames_[each.frame].callers; i != kNone; i = callers_[i].next)
      add_head({callers_[i].state, callers_[i].frame}, 0, waiting_);
    if (waiting_.size() > kMostHeads) return;
  }
}

void Recognizer::step(size_t first, size_t last, uint8_t byte, std::vector<Head>& heads) {
  const auto base = static_cast<FrameId>(frames_.size());
  called_.clear();
  const auto call_all = [&](const Head& head) {
    for (const CallEdge& edge : automaton_->call_edges(head.state))
      if (automaton_->rule(edge.rule).first_bytes[byte])
        call(edge.rule, {edge.target, head.frame}, base);
  };
  for (size_t i = first; i < last; ++i) call_all(Head(heads[i]));
  for (size_t i = 0; i < called_.size(); ++i) call_all(Head(called_[i]));

  const size_t made = heads.size();
  const auto step_from = [&](const Head& head) {
    for (const ByteEdge& edge : automaton_->byte_edges(head.state)) {
      if (byte < edge.bytes.first) break;
      if (byte > edge.bytes.last) continue;
      const Head next = {edge.target, head.frame};
      add_head(next, made, heads);
    }
  };
  for (size_t i = first; i < last; ++i) step_from(Head(heads[i]));
  for (const Head& head : called_) step_from(head);

  // Returns, and returns from there. What can do nothing else is done with.
  for (size_t i = made; i < heads.size() && heads.size() - made <= kMostHeads; ++i) {
    const Head head = heads[i];
    if (!automaton_->accepts(head.state)) continue;
    for (uint32_t at = frames_[head.frame].callers; at != kNone; at = callers_[at].next)
      add_head({callers_[at].state, callers_[at].frame}, made, heads);
  }
  const auto from = heads.begin() + static_cast<ptrdiff_t>(made);
  if (heads.size() - made > kMostHeads) {
    heads.resize(made);
    return;
  }
  heads.erase(std::remove_if(from, heads.end(),
                             [&](const Head& head) {
                               return head.frame != kRootFrame &&
                                      automaton_->only_accepts(head.state);
                             }),
              heads.end());
}

void Recognizer::add_returns(const Head& head, size_t first, std::vector<Head>& heads) {
  const size_t made = heads.size();
  for (uint32_t i = frames_[head.frame].callers; i != kNone; i = callers_[i].next)
    add_head({callers_[i].state, callers_[i].frame}, first, heads);
  for (size_t i = made; i < heads.size() && heads.size() - first <= kMostHeads; ++i) {
    const Head each = heads[i];
    if (!automaton_->accepts(each.state)) continue;
    for (uint32_t at = frames_[each.frame].callers; at != kNone; at = callers_[at].next)
      add_head({callers_[at].state, callers_[at].frame}, first, heads);
  }
}

void Recognizer::compact(std::vector<Head>& heads) {
  std::ranges::sort(heads);
  std::vector<FrameId> place(frames_.size(), kNone);
  std::vector<FrameId> order = {kRootFrame};
  place[kRootFrame] = 0;
  const auto meet = [&](FrameId& frame) {
    if (place[frame] == kNone) {
      place[frame] = static_cast<FrameId>(order.size());
      order.push_back(frame);
    }
    frame = place[frame];
  };
  for (Head& head : heads) meet(head.frame);
  std::vector<Frame> frames;
  std::vector<Caller> callers;
  for (size_t i = 0; i < order.size(); ++i) {
    Frame frame = frames_[order[i]];
    uint32_t* link = &frame.callers;
    for (uint32_t at = frame.callers; at != kNone; at = callers_[at].next) {
      Caller caller = callers_[at];
      meet(caller.frame);
      callers.push_back(caller);
    }
    // The list is what was just added, in order.
    *link = kNone;
    for (size_t at = callers.size(); at > callers.size() - frame.count; --at) {
      callers[at - 1].next = *link;
      *link = static_cast<uint32_t>(at - 1);
    }
    frames.push_back(frame);
  }
  frames_ = std::move(frames);
  callers_ = std::move(callers);
}

std::string Recognizer::key(std::span<const Head> heads) const {
  std::string key;
  const auto add = [&](uint32_t value) {
    char bytes[sizeof value];
    std::memcpy(bytes, &value, sizeof value);
    key.append(bytes, sizeof bytes);
  };
  key.reserve(8 * heads.size() + 4 * frames_.size() + 8 * callers_.size());
  for (const Head& head : heads) {
    add(head.state);
    add(head.frame);
  }
  for (const Frame& frame : frames_) {
    add(kNone);
    for (uint32_t at = frame.callers; at != kNone; at = callers_[at].next) {
      add(callers_[at].state);
      add(callers_[at].frame);
    }
  }
  return key;
}

}  // namespace bitnetc::grammar
