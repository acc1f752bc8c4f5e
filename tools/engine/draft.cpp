#include "tools/engine/draft.h"

#include <algorithm>

namespace bitnetc {
namespace {

constexpr size_t kLongestRun = 4, kShortestRun = 2;
// Weight of the newest observation in the averages.
constexpr double kNewest = 0.2;
// With every pass the hit rate forgets a little, so that guessing is tried again some time after it
// has failed.
constexpr double kForgotten = 0.01, kUnknownRate = 0.5;

}  // namespace

std::vector<int32_t> guess_next(std::span<const int32_t> history, size_t most) {
  for (size_t run = kLongestRun; run >= kShortestRun && most > 0; --run) {
    if (history.size() <= run) continue;
    const auto last = history.last(run);
    // The latest place before the end itself.
    for (size_t at = history.size() - run; at-- > 0;) {
      if (!std::equal(last.begin(), last.end(), history.begin() + static_cast<ptrdiff_t>(at)))
        continue;
      const auto next = history.subspan(at + run);
      const auto guessed = next.first(std::min(most, next.size()));
      return {guessed.begin(), guessed.end()};
    }
  }
  return {};
}

// What was not measured takes as long as the next shorter one that was: it will be tried, and then
// it is known.
double DraftLength::seconds(int drafts) const {
  for (int i = drafts; i >= 0; --i)
    if (seconds_[static_cast<size_t>(i)] > 0) return seconds_[static_cast<size_t>(i)];
  return 1;
}

int DraftLength::choose() const {
  int best = 0;
  double best_rate = 1 / seconds(0), tokens = 1, right = 1;
  for (int drafts = 1; drafts <= most_; ++drafts) {
    right *= hit_rate_;
    tokens += right;
    const double rate = tokens / seconds(drafts);
    if (rate <= best_rate) continue;
    best = drafts;
    best_rate = rate;
  }
  return best;
}

void DraftLength::add(int drafts, int right, double seconds) {
  double& known = seconds_[static_cast<size_t>(drafts)];
  known = known > 0 ? known + kNewest * (seconds - known) : seconds;
  for (int i = 0; i < right; ++i) hit_rate_ += kNewest * (1 - hit_rate_);
  if (right < drafts) hit_rate_ -= kNewest * hit_rate_;
  hit_rate_ += kForgotten * (kUnknownRate - hit_rate_);
}

}  // namespace bitnetc
