#include "autotune/order_statistics.h"

#include <algorithm>
#include <cmath>
#include <cstdint>

namespace bitnetc {
namespace {

// The rank, counted from either end, of the samples that enclose the median; 0 if none can. A
// sample lies below the true median with probability 1/2, so the number that do is binomial, and
// the sample of rank r lies above it where fewer than r do.
int64_t enclosing_rank(int64_t samples, double confidence) {
  const double allowed = (1 - confidence) / 2;
  const auto n = static_cast<double>(samples);
  double log_chance = -n * std::log(2.0);  // that exactly `below` samples lie below
  double chance = 0;                       // that at most so many do
  for (int64_t below = 0; below < samples; ++below) {
    chance += std::exp(log_chance);
    if (chance > allowed) return below;
    const auto k = static_cast<double>(below);
    log_chance += std::log((n - k) / (k + 1));
  }
  return 0;
}

}  // namespace

MedianInterval median_interval(std::vector<double> values, double confidence) {
  if (values.empty()) return {};
  std::sort(values.begin(), values.end());
  const size_t last = values.size() - 1;
  const int64_t rank = enclosing_rank(static_cast<int64_t>(values.size()), confidence);
  const auto first = static_cast<size_t>(std::max<int64_t>(rank - 1, 0));
  return {.low = values[first],
          .median = (values[last / 2] + values[(last + 1) / 2]) / 2,
          .high = values[last - first]};
}

}  // namespace bitnetc
