// Finding the fastest of many ways of doing the same work on a machine that is never quite quiet: candidates take turns,
// the clearly slower ones are eliminated early (successive halving), the best is checked against the runner-up pair by
// pair, and what cannot be told is said. Knows nothing of kernels; time comes from the contestants and a clock, so a
// test can script both.
#pragma once

#include <functional>
#include <span>
#include <vector>

#include "autotune/kernel_measure.h"
#include "autotune/profile.h"

namespace bitnetc {

struct ContestOptions {
  double budget_s = 0.5;               // for the whole contest
  double sample_s = 200e-6;            // a sample repeats its work until it takes about this long
  int rounds_per_heat = 5;             // samples of each contestant between two eliminations
  double tie_share = 0.01;             // a difference below this does not matter
  std::function<double()> now_s;       // empty: the steady clock
  std::function<bool()> is_cancelled;  // asked between samples
};

struct Standing {
  size_t contestant = 0;
  double median_s = 0, low_s = 0, high_s = 0;  // of a call; 95 % interval of the median
  int64_t samples = 0;
  int heats = 0;  // that it survived
};

struct ContestResult {
  std::vector<Standing> standings;  // best first; all contestants that were sampled at all
  Confidence confidence = Confidence::kSure;
  double took_s = 0;
  double disturbance = 0;  // spread (q3 - q1) / median of the winner's samples
  bool cancelled = false;
};

// `predicted_s`: by contestant, 0 for unknown; the best-predicted go first, and one that is predicted to take
// many times the best measured time is not sampled. As many entries as contestants.
ContestResult hold_contest(std::span<const Contestant> contestants,
                           std::span<const double> predicted_s, const ContestOptions& options);

}  // namespace bitnetc
