#include <algorithm>
#include <cmath>
#include <vector>

#include "codegen/reference/quantize_row.h"
#include "codegen/reference/reference.h"
#include "runtime/math.h"

namespace bitnetc::reference {

namespace {

// `y` may be `x`.
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

// The row x[k], whose largest magnitude is `absmax`.
void quantize_row(int64_t k, int64_t padded_k, const float* x, float absmax, int8_t* q,
                  float* scale, int32_t* sum) {
  const float factor = code_factor(absmax);
  *sum = 0;
  for (int64_t i = 0; i < padded_k; ++i) {
    q[i] = i < k ? to_code(x[i] * factor) : int8_t{0};
    *sum += q[i];
  }
  *scale = code_scale(absmax);
}

}  // namespace

void rms_norm(const RmsNormSpec& spec, const RmsNormArgs& args) {
  if (!spec.residual) return normalise(spec.k, spec.eps, args.x, args.weight, args.y);
  std::vector<float> normed(static_cast<size_t>(spec.k));
  normalise(spec.k, spec.eps, args.x, args.weight, normed.data());
  for (int64_t i = 0; i < spec.k; ++i)
    args.y[i] = args.residual[i] + normed[static_cast<size_t>(i)];
}

void head_norm(const HeadNormSpec& spec, const HeadNormArgs& args) {
  for (int64_t h = 0; h < spec.heads; ++h) {
    float* const head = args.x + h * spec.head_dim;
    normalise(spec.head_dim, spec.eps, head, args.weight, head);
  }
}

void norm_quantize(const NormQuantizeSpec& spec, const NormQuantizeArgs& args) {
  std::vector<float> y(static_cast<size_t>(spec.k));
  normalise(spec.k, spec.eps, args.x, args.weight, y.data());
  if (args.normed != nullptr) std::copy(y.begin(), y.end(), args.normed);

  quantize_row(spec.k, spec.padded_k(), y.data(), absmax_of_row(spec.k, y.data()), args.q,
               args.scale, args.sum);
}

void quantize(const QuantizeSpec& spec, const QuantizeArgs& args) {
  float absmax = kMinAbsmax;
  if (spec.find_absmax) {
    absmax = absmax_of_row(spec.k, args.x);
  } else {
    for (int64_t i = 0; i < args.absmax_count; ++i)
      absmax = std::max(absmax, args.absmax[i * args.absmax_stride]);
  }
  quantize_row(spec.k, spec.padded_k(), args.x, absmax, args.q, args.scale, args.sum);
}

}  // namespace bitnetc::reference
