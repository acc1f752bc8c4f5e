#include "tools/serve/api/token_text.h"

#include <algorithm>
#include <numeric>

#include "tools/engine/scoring.h"

namespace bitnetc::serve {

TokenEntry score_token(std::span<const float> logits, int32_t id, int top) {
  const LogProbabilities probabilities(logits);
  TokenEntry entry{.id = id, .logprob = probabilities.of(id)};
  const size_t count = std::min(static_cast<size_t>(top), logits.size());
  if (count == 0) return entry;
  std::vector<int32_t> ids(logits.size());
  std::iota(ids.begin(), ids.end(), 0);
  std::partial_sort(ids.begin(), ids.begin() + static_cast<ptrdiff_t>(count), ids.end(),
                    [&](int32_t a, int32_t b) {
                      const float of_a = logits[static_cast<size_t>(a)];
                      const float of_b = logits[static_cast<size_t>(b)];
                      return of_a != of_b ? of_a > of_b : a < b;
                    });
  for (size_t i = 0; i < count; ++i)
    entry.top.push_back({.id = ids[i], .logprob = probabilities.of(ids[i])});
  return entry;
}

TokenSpeller::TokenSpeller(const Tokenizer& tokenizer) : tokenizer_(tokenizer) {
  const auto ids = tokenizer.encode("a", /*add_special=*/false);
  if (ids.ok() && !ids->empty()) anchor_ = ids->back();
}

std::string TokenSpeller::spell(int32_t id) const {
  StreamDecoder decoder(tokenizer_, /*skip_special=*/false);
  if (anchor_) decoder.push(*anchor_);
  std::string text = decoder.push(id);
  return text + decoder.finish();
}

TextWriter::TextWriter(const Tokenizer& tokenizer, std::span<const int32_t> prompt,
                       std::vector<std::string> stops)
    : decoder_(tokenizer), matcher_(std::move(stops)) {
  for (const int32_t id : prompt) decoder_.push(id);
}

Piece TextWriter::push(TokenEntry entry) {
  entry.bytes = decoder_.push(entry.id);
  std::string ready = matcher_.push(entry.bytes);
  held_.push_back(std::move(entry));
  return release(std::move(ready), !stop().empty());
}

void TextWriter::push_silent(TokenEntry entry) {
  entry.is_text = false;
  held_.push_back(std::move(entry));
}

Piece TextWriter::finish() {
  if (!stop().empty()) return {};
  const std::string rest = decoder_.finish();
  const auto last = std::find_if(held_.rbegin(), held_.rend(),
                                 [](const TokenEntry& each) { return each.is_text; });
  if (last != held_.rend()) last->bytes += rest;
  std::string ready = matcher_.push(rest);
  ready += matcher_.finish();
  return release(std::move(ready), /*is_last=*/true);
}

// `text` is the next bytes of the held tokens. Behind the last of it tokens are cut or dropped.
Piece TextWriter::release(std::string text, bool is_last) {
  Piece piece{.text = std::move(text)};
  released_ += piece.text.size();
  // A token without bytes, such as the first of a character, goes with what follows it.
  while (!held_.empty() && held_.front().bytes.size() <= released_ && (released_ > 0 || is_last)) {
    released_ -= held_.front().bytes.size();
    piece.entries.push_back(std::move(held_.front()));
    held_.pop_front();
  }
  if (!is_last) return piece;
  if (!held_.empty() && released_ > 0) {
    held_.front().bytes.resize(released_);
    piece.entries.push_back(std::move(held_.front()));
  }
  held_.clear();
  return piece;
}

}  // namespace bitnetc::serve
