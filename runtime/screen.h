// What the two sides of the screened head agree on: the compiler, which makes few-bit copies of the
// head with certified errors, and the steps, which estimate logits from them
// (docs/screened-head.md).
#pragma once

#include <cmath>
#include <cstdint>
#include <optional>
#include <span>

namespace bitnetc {

// A hidden row h is held as scale * q with whole numbers |q| <= kHiddenLevels = 127 * 256 + 127, so
// that both bytes of q are signed; scale is max |h| / kHiddenLevels.
inline constexpr int kHiddenLevels = 127 * 256 + 127;

// Rows of the head and hidden rows outside these norms are not screened: within them nothing
// overflows, and an estimate's own roundings are none of subnormal numbers.
inline constexpr double kLeastRowNorm = 0x1p-40, kMostRowNorm = 0x1p60;
// Part of every error: products of a row of tiny values are subnormal, and each is off by 2^-150.
inline constexpr double kSubnormalError = 0x1p-80;
inline constexpr double kLeastHiddenNorm = 0x1p-40, kMostHiddenNorm = 0x1p60;

// For rows of k columns: what rounding adds to |logit - estimate|, as a share of the product of the
// norms of both rows. The first term is the rounding of h to whole numbers, the second that of
// lanes64 and of the estimate's own floats.
inline double screen_slack(int64_t k) {
  const auto columns = static_cast<double>(k);
  return std::sqrt(columns) / 64000 + (columns / 64 + 64) * 0x1p-24;
}

// A hidden row as whole numbers, and what estimates need of it.
struct SplitHidden {
  int32_t high_sum = 0, low_sum = 0;  // of the bytes
  float scale = 0;
  float norm = 0;  // at least that of the row
};

// Writes the bytes of q, q = 256 * high + low, and zeros from there to `padded_k`. Nothing: the
// row's norm is outside what is screened, or it is not finite.
std::optional<SplitHidden> split_hidden(std::span<const float> h, int64_t padded_k, int8_t* high,
                                        int8_t* low);

}  // namespace bitnetc
