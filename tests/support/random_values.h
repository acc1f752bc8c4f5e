// Reproducible test data. A failing test prints its seed; the same seed gives the same values
// everywhere.
#pragma once

#include <cmath>
#include <cstdint>
#include <random>
#include <span>

#include "runtime/math.h"

namespace bitnetc::test {

class RandomValues {
 public:
  explicit RandomValues(uint64_t seed) : engine_(seed) {}

  int64_t integer(int64_t low, int64_t high) {  // both included
    return low + static_cast<int64_t>(engine_() % static_cast<uint64_t>(high - low + 1));
  }
  // Mostly of size `scale`, some much larger, some zero of either sign, some subnormal.
  float value(float scale) {
    const float unit = static_cast<float>(integer(-1000000, 1000000)) * 1e-6f;
    switch (integer(0, 31)) {
      case 0: return unit * scale * 50;
      case 1: return unit < 0 ? -0.0f : 0.0f;
      case 2: return unit * 0x1p-130f;
      default: return unit * scale;
    }
  }
  void fill(std::span<float> out, float scale) {
    for (float& x : out) x = value(scale);
  }
  void fill_f16(std::span<uint16_t> out, float scale) {
    for (uint16_t& x : out) x = math::round_to_f16(value(scale));
  }
  void fill_bf16(std::span<uint16_t> out, float scale) {
    for (uint16_t& x : out) x = math::round_to_bf16(value(scale));
  }

 private:
  std::mt19937_64 engine_;
};

}  // namespace bitnetc::test
