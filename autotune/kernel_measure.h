// Times several ways of doing the same work against each other on a machine that is never quite
// quiet. All take turns with a short sample each, so that a disturbance or a change of clock hits
// them alike. The report gives quantiles.
#pragma once

#include <cstdint>
#include <functional>
#include <span>
#include <vector>

namespace bitnetc {

double steady_now_s();  // the steady clock

// Quantiles of a set of samples, interpolated between neighbours.
struct SampleSummary {
  int64_t samples = 0;
  double min = 0, q1 = 0, median = 0, q3 = 0;
};
SampleSummary summarise(std::vector<double> values);

// Does its work `calls` times over and returns the seconds that took.
using Contestant = std::function<double(int64_t calls)>;

struct SamplingOptions {
  double budget_s = 0.25;    // for all contestants together
  double sample_s = 200e-6;  // a sample repeats its work until it takes about this long
  int64_t min_rounds = 5;    // even where the budget is spent before
  int64_t max_rounds = 2000;
  std::function<double()> now_s;       // of the budget; empty: the steady clock
  std::function<bool()> is_cancelled;  // asked between samples; then what there is is summarised
};

// Seconds per call of each contestant, by round: samples of one round were taken at about the same
// time. Round r begins with contestant r and goes round once; the last round may be cut short.
std::vector<std::vector<double>> sample_rounds(std::span<const Contestant> contestants,
                                               const SamplingOptions& options);
// The same, summarised.
std::vector<SampleSummary> sample_round_robin(std::span<const Contestant> contestants,
                                              const SamplingOptions& options);

}  // namespace bitnetc
