#include "runtime/exec/screen_state.h"

#include "runtime/rounding.h"
#include "runtime/steps/screen_steps.h"

namespace bitnetc {
namespace {

// Shares of the rows of the head. Beyond the first, both parts are read at once in the next passes:
// what the fine part is wanted for is then most of it. Beyond the second the head is read in full.
constexpr double kMostRefined = 0.5, kMostFound = 0.25;
constexpr int kPassesUntilRetry = 64;
// About as many segments as this, so that the best of each find the greatest forty and more. Their
// rows are multiples of what a kernel takes at once.
constexpr int64_t kSegments = 128, kLeastSegmentRows = 32;

}  // namespace

ScreenState::ScreenState(const ScreenOperands& operands)
    : n_(operands.n),
      padded_k_(operands.padded_k),
      segment_rows_(round_up(ceil_div(operands.n, kSegments), kLeastSegmentRows)),
      segments_(ceil_div(operands.n, segment_rows_)) {}

bool ScreenState::accepts(std::span<const LogitsNeed> needs) {
  const auto wants_greatest = [](const LogitsNeed& need) {
    return need.kind == LogitsNeed::Kind::kTop || need.kind == LogitsNeed::Kind::kWithin;
  };
  if (needs.empty() || std::ssize(needs) > kMostRows || !std::ranges::all_of(needs, wants_greatest))
    return false;
  if (until_retry_ > 0) --until_retry_;
  if (until_retry_ == 0) {
    both_parts_ = false;
    pays_ = true;
  }
  if (!pays_) ++stats_.full_passes;
  return pays_;
}

void ScreenState::begin(std::span<const LogitsNeed> needs) {
  const size_t rows = needs.size(), n = static_cast<size_t>(n_);
  const auto per_segment = rows * static_cast<size_t>(segments_);
  // The last of them says that all have been made.
  if (found_.size() < rows * n) {
    high_ = Buffer<int8_t>(rows * static_cast<size_t>(padded_k_));
    low_ = Buffer<int8_t>(high_.size());
    estimates_ = Buffer<float>(rows * n);
    found_ = Buffer<int32_t>(rows * n);
  }
  best_.assign(per_segment, 0);
  counts_.assign(per_segment, {});
  std::ranges::fill(split_failed_, false);
  std::ranges::fill(gave_up_, false);
  rows_.clear();
  for (const LogitsNeed& need : needs) rows_.push_back({.need = need});
}

void ScreenState::end() {
  if (gave_up()) {
    ++stats_.full_passes;
    return;
  }
  int64_t refined = 0, found = 0;
  for (const Counts& each : counts_) {
    refined += each.refined;
    found += each.found;
  }
  const auto all = static_cast<double>(rows() * n_);
  ++stats_.passes;
  stats_.head_rows += rows() * n_;
  stats_.refined += refined;
  stats_.computed += found;
  if (static_cast<double>(found) > kMostFound * all) {
    pays_ = false;
    until_retry_ = kPassesUntilRetry;
  } else if (!both_parts_ && static_cast<double>(refined) > kMostRefined * all) {
    both_parts_ = true;
    until_retry_ = kPassesUntilRetry;
  }
}

// What was probed was found again, unless the file's errors are not those of its codes: then the
// ids are the wrong ones, but never none.
std::vector<int32_t> ScreenState::computed_ids(int64_t row) const {
  std::vector<int32_t> ids;
  for (int64_t segment = 0; segment < segments_; ++segment) {
    const int32_t* const first = found(row, segment);
    ids.insert(ids.end(), first, first + counts(row, segment).found);
  }
  const Row& facts = this->row(row);
  ids.insert(ids.end(), facts.need.ids.begin(), facts.need.ids.end());
  const auto best = best_.begin() + row * segments_;
  ids.insert(ids.end(), best, best + facts.probed);
  std::ranges::sort(ids);
  const auto repeated = std::ranges::unique(ids);
  ids.erase(repeated.begin(), repeated.end());
  return ids;
}

int64_t ScreenState::memory_bytes() const {
  const size_t small = best_.size() * sizeof(best_[0]) + counts_.size() * sizeof(counts_[0]);
  return static_cast<int64_t>(high_.bytes() + low_.bytes() + estimates_.bytes() + found_.bytes() +
                              small);
}

}  // namespace bitnetc
