// Guessing tokens ahead: what repeats in a text is guessed, checked in one pass of several rows and
// kept as far as it is right. Rows of a pass do not touch each other's bits, so the text is that of
// plain generation, for greedy decoding and for every seed (docs/speculation.md).
#pragma once

#include <array>
#include <cstddef>
#include <cstdint>
#include <span>
#include <vector>

namespace bitnetc {

// A pass checks at most this many: with the token before them as many rows as have kernels of
// their own.
inline constexpr int kMostDrafts = 7;

// What followed the last tokens of `history` where they stood together before: the longest run of 4
// to 2 tokens, the latest place. At most `most` tokens; none: there is no such place.
std::vector<int32_t> guess_next(std::span<const int32_t> history, size_t most);

// How many tokens to guess, from what passes took and how many guesses were right so far: as many
// as make the most tokens per second.
class DraftLength {
 public:
  explicit DraftLength(int most) : most_(most) {}

  int choose() const;
  // A pass that checked `drafts` guesses took `seconds`, and the first `right` of them were right.
  void add(int drafts, int right, double seconds);

 private:
  double seconds(int drafts) const;

  const int most_;
  std::array<double, kMostDrafts + 1> seconds_ = {};  // of passes, by guesses; 0: none yet
  double hit_rate_ = 0.5;                             // of a guess whose forerunners were right
};

}  // namespace bitnetc
