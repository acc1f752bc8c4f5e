// What a set of samples says about its median without assuming how they are distributed:
// disturbances make some of them many times too long, and none too short.
#pragma once

#include <vector>

namespace bitnetc {

struct MedianInterval {
  double low = 0, median = 0, high = 0;

  double width_share() const { return (high - low) / median; }
};

// The median and two of the samples that enclose the true median at least `confidence` (0.95) of
// the time, each of them as far from its end. Where so few samples cannot be that sure, the least
// and the greatest. All 0 without samples.
MedianInterval median_interval(std::vector<double> values, double confidence);

}  // namespace bitnetc
