#include <algorithm>
#include <cmath>
#include <vector>

#include "codegen/reference/reference.h"
#include "runtime/math.h"

namespace bitnetc::reference {

namespace {

void normalise(int64_t k, float eps, const float* x, const float* weight, float* y) {
  float lanes[math::kLanes] = {};
  for (int64_t i = 0; i < k; ++i) {
    float& lane = lanes[i % math::kLanes];
    lane = std::fma(x[i], x[i], lane);
  }
  const float sum_of_squares = math::fold_lanes(lanes);
  const float r = 1.0f / std::sqrt(sum_of_squares / static_cast<float>(k) + eps);
  for (int64_t i = 0; i < k; ++i) y[i] = (x[i] * r) * weight[i];
}

// Ties to even. A NaN, which no finite model produces, gives -128 and not undefined behaviour.
int8_t quantize(float scaled) {
  const float rounded = std::rint(scaled);
  return static_cast<int8_t>(rounded > -128.0f ? std::min(rounded, 127.0f) : -128.0f);
}

}  // namespace

void rms_norm(const RmsNormSpec& spec, const RmsNormArgs& args) {
  normalise(spec.k, spec.eps, args.x, args.weight, args.y);
}

void norm_quantize(const NormQuantizeSpec& spec, const NormQuantizeArgs& args) {
  std::vector<float> y(static_cast<size_t>(spec.k));
  normalise(spec.k, spec.eps, args.x, args.weight, y.data());
  if (args.normed != nullptr) std::copy(y.begin(), y.end(), args.normed);

  float absmax = 1e-5f;
  for (const float value : y) absmax = std::max(absmax, std::fabs(value));
  const float factor = 127.0f / absmax;
  int32_t sum = 0;
  for (int64_t i = 0; i < spec.padded_k(); ++i) {
    args.q[i] = i < spec.k ? quantize(y[static_cast<size_t>(i)] * factor) : int8_t{0};
    sum += args.q[i];
  }
  *args.step = absmax / 127.0f;
  *args.sum = sum;
}

}  // namespace bitnetc::reference
