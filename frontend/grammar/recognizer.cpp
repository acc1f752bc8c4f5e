#include "frontend/grammar/recognizer.h"

#include <algorithm>
#include <cstring>

namespace bitnetc::grammar {

namespace {

constexpr size_t kFew = 32;  // that are searched one by one

uint64_t number_of(StateId state, FrameId frame) {
  return uint64_t{state} << 32 | frame;
}

}  // namespace

void DistinctHeads::add(const Head& head, size_t first, std::vector<Head>& heads) {
  const auto from = heads.begin() + static_cast<ptrdiff_t>(first);
  if (heads.size() - first < kFew) {
    if (std::find(from, heads.end(), head) != heads.end()) return;
  } else {
    if (seen_.empty())
      for (auto at = from; at != heads.end(); ++at) seen_.insert(number_of(at->state, at->frame));
    if (!seen_.insert(number_of(head.state, head.frame)).second) return;
  }
  heads.push_back(head);
}

void Recognizer::add_caller(FrameId frame, const Head& caller) {
  Frame& its = frames_[frame];
  if (its.count < kFew) {
    for (uint32_t i = its.callers; i != kNone; i = callers_[i].next)
      if (callers_[i].state == caller.state && callers_[i].frame == caller.frame) return;
  } else {
    auto& known = many_callers_[frame];
    if (known.empty())
      for (uint32_t i = its.callers; i != kNone; i = callers_[i].next)
        known.insert(number_of(callers_[i].state, callers_[i].frame));
    if (!known.insert(number_of(caller.state, caller.frame)).second) return;
  }
  ++its.count;
  callers_.push_back({caller.state, caller.frame, its.callers});
  its.callers = static_cast<uint32_t>(callers_.size() - 1);
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
  distinct_waiting_.clear();
  waiting_.assign(1, caller);
  for (size_t at = 0; at < waiting_.size() && !load().is_too_much(); ++at) {
    const Head each = waiting_[at];
    ++work_;
    if (each.frame == kRootFrame || each.frame >= base || !automaton_->only_accepts(each.state)) {
      add_caller(frame, each);
      continue;
    }
    for (uint32_t i = frames_[each.frame].callers; i != kNone; i = callers_[i].next, ++work_)
      distinct_waiting_.add({callers_[i].state, callers_[i].frame}, 0, waiting_);
  }
}

void Recognizer::call_all(const Head& head, uint8_t byte, FrameId base) {
  for (const CallEdge& edge : automaton_->call_edges(head.state)) {
    ++work_;
    if (automaton_->rule(edge.rule).first_bytes[byte])
      call(edge.rule, {edge.target, head.frame}, base);
  }
}

void Recognizer::step(size_t first, size_t last, uint8_t byte, std::vector<Head>& heads) {
  const auto base = static_cast<FrameId>(frames_.size());
  called_.clear();
  if (!many_callers_.empty()) many_callers_.clear();
  work_ = 0;
  for (size_t i = first; i < last && !load().is_too_much(); ++i) call_all(heads[i], byte, base);
  for (size_t i = 0; i < called_.size() && !load().is_too_much(); ++i)
    call_all(Head(called_[i]), byte, base);

  const size_t made = heads.size();
  distinct_.clear();
  const auto step_from = [&](const Head& head) {
    for (const ByteEdge& edge : automaton_->byte_edges(head.state)) {
      ++work_;
      if (byte < edge.bytes.first) break;
      if (byte <= edge.bytes.last) distinct_.add({edge.target, head.frame}, made, heads);
    }
  };
  for (size_t i = first; i < last; ++i) step_from(Head(heads[i]));
  for (const Head& head : called_) step_from(head);
  follow_returns(made, made, heads);
  if (load().is_too_much()) return heads.resize(made);
  // What can do nothing but return is done with.
  heads.erase(std::remove_if(heads.begin() + static_cast<ptrdiff_t>(made), heads.end(),
                             [&](const Head& head) {
                               return head.frame != kRootFrame &&
                                      automaton_->only_accepts(head.state);
                             }),
              heads.end());
}

void Recognizer::add_callers_of(FrameId frame, size_t first, std::vector<Head>& heads) {
  for (uint32_t i = frames_[frame].callers; i != kNone; i = callers_[i].next, ++work_)
    distinct_.add({callers_[i].state, callers_[i].frame}, first, heads);
}

void Recognizer::follow_returns(size_t from, size_t first, std::vector<Head>& heads) {
  for (size_t i = from; i < heads.size() && !load().is_too_much(); ++i)
    if (automaton_->accepts(heads[i].state)) add_callers_of(heads[i].frame, first, heads);
}

void Recognizer::add_returns(const Head& head, size_t first, std::vector<Head>& heads) {
  const size_t made = heads.size();
  distinct_.clear();
  work_ = 0;
  add_callers_of(head.frame, first, heads);
  follow_returns(made, first, heads);
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
