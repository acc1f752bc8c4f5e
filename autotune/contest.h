// Finds the fastest of many ways of doing the same work on a machine that is never quite quiet.
// Entrants take turns; the clearly slower ones are eliminated early (successive halving); the best
// is checked against the runner-up in pairs. Where the two cannot be told apart, the result says
// so. A contest knows nothing of kernels: time comes from the entrants and a clock, so a test can
// script both.
//
//   qualifying  a call or two, best-predicted first; out goes what takes more than twice the best
//   heats       rounds in which all that are left take a turn. Times of one round are compared, so
//               that a slow machine slows both. Out goes whoever is surely slower than the leader,
//               and the worse half when a heat's time is up
//   final       the first two in blocks A B B A, until their ratio is known
#pragma once

#include <functional>
#include <span>
#include <vector>

#include "autotune/kernel_measure.h"
#include "autotune/profile.h"
#include "runtime/status.h"

namespace bitnetc {

struct Entrant {
  Contestant run;
  double predicted_s = 0;  // of a call; 0: unknown
  // Called before the first run; its time does not count. Returns false if the entrant cannot take
  // part: whoever entered it knows why. Empty: always ready.
  std::function<bool()> prepare = {};
  // What would be used without a contest. It goes first, so that others are compared with it
  // however short the time is.
  bool is_default = false;
};

struct ContestOptions {
  double budget_s = 0.5;     // of measuring, for the whole contest
  double stretch = 3;        // times the budget that it may take where noise leaves the order open
  double sample_s = 200e-6;  // a sample repeats its work until it takes about this long
  int rounds_per_heat = 5;   // at least, while the budget lasts
  double tie_share = 0.01;   // a difference below this does not matter
  double noise_share = 0.1;  // an interval wider than this, or a drift, is noise
  // An entrant that is predicted to take more than this many times the best measured is not
  // sampled.
  double hopeless_ratio = 16;
  std::function<double()> now_s;       // of the budget; empty: the steady clock
  std::function<bool()> is_cancelled;  // asked between samples
};

struct Standing {
  size_t entrant = 0;
  double median_s = 0, low_s = 0, high_s = 0;  // of a call; 95 % interval of the median
  int64_t samples = 0;
  int heats = 0;  // that it survived
};

struct ContestResult {
  std::vector<Standing> standings;  // best first; all entrants that were sampled at all
  Confidence confidence = Confidence::kSure;
  double lead = 0;  // of the winner: the runner-up's time over its own, of pairs; 0 if it was alone
  double took_s = 0;       // of measuring
  double disturbance = 0;  // spread (q3 - q1) / median of the winner's samples
  double drift =
      0;  // between the winner's medians in the earlier and the later half of what is reported
  std::vector<size_t> hopeless;  // entrants that were not sampled for what was predicted
  std::vector<size_t> late;      // entrants the budget was spent before
  std::vector<size_t> refused;   // entrants out for times that cannot be: 0, negative, not finite
  bool cancelled = false;
};

// Returns no standings if nobody could take part. Error: kUnsupported if the clock goes backwards
// or stands still.
Result<ContestResult> hold_contest(std::span<const Entrant> entrants,
                                   const ContestOptions& options);

}  // namespace bitnetc
