#include "frontend/think_text.h"

#include <algorithm>
#include <utility>

#include "frontend/chat/certain_text.h"

namespace bitnetc {
namespace {

void drop_leading_spaces(std::string& text) {
  text.erase(0, std::min(text.find_first_not_of(kSpaces), text.size()));
}

}  // namespace

ThinkReader::ThinkReader(ThinkPlace place) : place_(Place::kAnswer) {
  if (place == ThinkPlace::kMayBegin) place_ = Place::kStart;
  if (place == ThinkPlace::kInside || place == ThinkPlace::kGoesOn) place_ = Place::kBlock;
  has_thought_ = place == ThinkPlace::kGoesOn;
}

size_t ThinkReader::block_bytes() const {
  return place_ == Place::kBlock ? bytes_ : block_end_;
}

ThinkSplit ThinkReader::push(std::string_view text) {
  bytes_ += text.size();
  held_ += text;
  ThinkSplit split;
  for (bool goes_on = true; goes_on;) {
    switch (place_) {
      case Place::kStart: goes_on = read_start(); break;
      case Place::kBlock: goes_on = read_block(split.thought); break;
      case Place::kBehindBlock: goes_on = read_behind_block(); break;
      case Place::kAnswer:
        split.answer += std::exchange(held_, {});
        goes_on = false;
        break;
    }
  }
  return split;
}

ThinkSplit ThinkReader::finish() {
  ThinkSplit split;
  (place_ == Place::kBlock ? split.thought : split.answer) = std::exchange(held_, {});
  if (place_ == Place::kStart) place_ = Place::kAnswer;
  return split;
}

bool ThinkReader::read_start() {
  const size_t begin = held_.find_first_not_of(kSpaces);
  if (begin == held_.npos) return false;
  const std::string_view rest = std::string_view(held_).substr(begin);
  if (rest.starts_with(kThinkTag)) {
    held_.erase(0, begin + kThinkTag.size());
    place_ = Place::kBlock;
  } else if (kThinkTag.starts_with(rest)) {
    return false;
  } else {
    place_ = Place::kAnswer;
  }
  return true;
}

bool ThinkReader::read_block(std::string& thought) {
  if (!has_thought_) drop_leading_spaces(held_);
  const size_t tag = held_.find(kThinkEndTag);
  const bool is_over = tag != held_.npos;
  const std::string_view inside = std::string_view(held_).substr(0, tag);
  const size_t ready =
      is_over ? inside.find_last_not_of(kSpaces) + 1 : certain_text(inside, kThinkEndTag);
  if (ready > 0) {
    has_thought_ = true;
    thought += inside.substr(0, ready);
  }
  held_.erase(0, is_over ? tag + kThinkEndTag.size() : ready);
  if (!is_over) return false;
  block_end_ = bytes_ - held_.size();
  place_ = Place::kBehindBlock;
  return true;
}

bool ThinkReader::read_behind_block() {
  drop_leading_spaces(held_);
  if (held_.empty()) return false;
  place_ = Place::kAnswer;
  return true;
}

}  // namespace bitnetc
