// What a set of samples says about its median without assuming how they are distributed:
// disturbances make some of them many times too long, and none too short.
#pragma once

#include <vector>

namespace bitnetc {

struct MedianInterval {
  double low = 0, median = 0, high = 0;

  double width_share() const { return (high - low) / median; }
};

// The median and the two samples, equally far from either end, that enclose the true median with
// the given confidence (0.95). Too few samples for that confidence give the least and the greatest.
// All 0 without samples.
MedianInterval median_interval(std::vector<double> values, double confidence);

}  // namespace bitnetc
