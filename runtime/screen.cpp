#include "runtime/screen.h"

#include <algorithm>

namespace bitnetc {
namespace {

constexpr size_t kNormLanes = 16;  // independent, so that the compiler works on vectors

struct Magnitude {
  float largest = 0;
  double norm = 0;
};

Magnitude measure(std::span<const float> h) {
  float largest[kNormLanes] = {};
  double squares[kNormLanes] = {};
  const auto add = [&](const float* values, size_t count) {
    for (size_t j = 0; j < count; ++j) {
      const float magnitude = std::fabs(values[j]);
      largest[j] = magnitude > largest[j] ? magnitude : largest[j];
      squares[j] += static_cast<double>(values[j]) * static_cast<double>(values[j]);
    }
  };
  size_t i = 0;
  for (; i + kNormLanes <= h.size(); i += kNormLanes) add(h.data() + i, kNormLanes);
  add(h.data() + i, h.size() - i);
  Magnitude all;
  double sum = 0;
  for (size_t j = 0; j < kNormLanes; ++j) {
    all.largest = std::max(all.largest, largest[j]);
    sum += squares[j];
  }
  all.norm = std::sqrt(sum);
  return all;
}

}  // namespace

std::optional<SplitHidden> split_hidden(std::span<const float> h, int64_t padded_k, int8_t* high,
                                        int8_t* low) {
  const Magnitude magnitude = measure(h);
  if (!(magnitude.norm >= kLeastHiddenNorm && magnitude.norm <= kMostHiddenNorm))
    return std::nullopt;
  constexpr float kLevels = kHiddenLevels;
  constexpr float kWhole = 0x1.8p23f;  // added and taken off: the nearest whole number
  const float per_level = kLevels / magnitude.largest;
  SplitHidden split{.scale = magnitude.largest / kLevels,
                    .norm = static_cast<float>(magnitude.norm * (1 + 0x1p-20))};
  for (size_t i = 0; i < h.size(); ++i) {
    const auto q = static_cast<int32_t>((h[i] * per_level + kWhole) - kWhole);
    const int32_t low_byte = ((q + 128) & 255) - 128;
    const int32_t high_byte = (q - low_byte) >> 8;
    high[i] = static_cast<int8_t>(high_byte);
    low[i] = static_cast<int8_t>(low_byte);
    split.high_sum += high_byte;
    split.low_sum += low_byte;
  }
  std::fill(high + h.size(), high + padded_k, int8_t{0});
  std::fill(low + h.size(), low + padded_k, int8_t{0});
  return split;
}

}  // namespace bitnetc
