#include "tools/serve/api/answer_reader.h"

#include <utility>

namespace bitnetc::serve {

AnswerReader::AnswerReader(const AnswerSyntax& syntax) : thoughts_(syntax.think) {
  if (syntax.calls) calls_.emplace(*syntax.calls);
}

std::vector<AnswerPart> AnswerReader::push(const Piece& piece) {
  std::vector<AnswerPart> parts = parts_of(thoughts_.push(piece.text));
  count(piece.entries);
  return parts;
}

std::vector<AnswerPart> AnswerReader::finish() {
  std::vector<AnswerPart> parts = parts_of(thoughts_.finish());
  if (!calls_) return parts;
  for (AnswerPart& each : calls_->finish()) parts.push_back(std::move(each));
  return parts;
}

std::vector<AnswerPart> AnswerReader::parts_of(ThinkSplit split) {
  std::vector<AnswerPart> parts;
  if (!split.thought.empty())
    parts.push_back({AnswerPart::Kind::kThought, std::move(split.thought)});
  if (split.answer.empty()) return parts;
  if (!calls_) {
    parts.push_back({AnswerPart::Kind::kText, std::move(split.answer)});
  } else {
    for (AnswerPart& each : calls_->push(split.answer)) parts.push_back(std::move(each));
  }
  return parts;
}

// A token is of the block where its first byte is. Its bytes have been read by now.
void AnswerReader::count(const std::vector<TokenEntry>& entries) {
  for (const TokenEntry& each : entries) {
    if (!each.is_text) continue;
    if (thoughts_.is_undecided())
      ++undecided_tokens_;
    else if (token_bytes_ < thoughts_.block_bytes())
      ++thought_tokens_;
    token_bytes_ += each.bytes.size();
  }
  if (thoughts_.is_undecided()) return;
  const int64_t undecided = std::exchange(undecided_tokens_, 0);
  if (thoughts_.block_bytes() > 0) thought_tokens_ += undecided;
}

}  // namespace bitnetc::serve
