#include "autotune/kernel_measure.h"

#include <algorithm>
#include <chrono>
#include <cmath>

namespace bitnetc {
namespace {

double quantile(const std::vector<double>& sorted, double fraction) {
  const double position = fraction * static_cast<double>(sorted.size() - 1);
  const auto below = static_cast<size_t>(std::floor(position));
  const size_t above = std::min(below + 1, sorted.size() - 1);
  const double weight = position - static_cast<double>(below);
  return sorted[below] + weight * (sorted[above] - sorted[below]);
}

// How often the work fits into a sample. The first call only brings caches and clocks up.
int64_t calls_per_sample(const Contestant& contestant, double sample_s) {
  constexpr int64_t kMaxCalls = int64_t{1} << 20;
  contestant(1);
  int64_t calls = 1;
  for (double seconds = contestant(1); seconds < sample_s / 2 && calls < kMaxCalls;
       seconds = contestant(calls))
    calls *= 2;
  return calls;
}

}  // namespace

double steady_now_s() {
  return std::chrono::duration<double>(std::chrono::steady_clock::now().time_since_epoch()).count();
}

SampleSummary summarise(std::vector<double> values) {
  if (values.empty()) return {};
  std::sort(values.begin(), values.end());
  return {.samples = static_cast<int64_t>(values.size()),
          .min = values.front(),
          .q1 = quantile(values, 0.25),
          .median = quantile(values, 0.5),
          .q3 = quantile(values, 0.75)};
}

std::vector<std::vector<double>> sample_rounds(std::span<const Contestant> contestants,
                                               const SamplingOptions& options) {
  const auto now = options.now_s ? options.now_s : steady_now_s;
  const auto cancelled = [&] { return options.is_cancelled && options.is_cancelled(); };
  const double deadline = now() + options.budget_s;
  std::vector<int64_t> calls(contestants.size(), 1);
  for (size_t i = 0; i < contestants.size() && !cancelled(); ++i)
    calls[i] = calls_per_sample(contestants[i], options.sample_s);
  std::vector<std::vector<double>> seconds(contestants.size());
  for (int64_t round = 0; round < options.max_rounds; ++round) {
    if (round >= options.min_rounds && now() >= deadline) break;
    for (size_t turn = 0; turn < contestants.size() && !cancelled(); ++turn) {
      const size_t i = (static_cast<size_t>(round) + turn) % contestants.size();
      seconds[i].push_back(contestants[i](calls[i]) / static_cast<double>(calls[i]));
    }
    if (cancelled()) break;
  }
  return seconds;
}

std::vector<SampleSummary> sample_round_robin(std::span<const Contestant> contestants,
                                              const SamplingOptions& options) {
  std::vector<SampleSummary> summaries;
  for (auto& values : sample_rounds(contestants, options))
    summaries.push_back(summarise(std::move(values)));
  return summaries;
}

}  // namespace bitnetc
