#include "runtime/steps/norm_steps.h"

namespace bitnetc {

void RmsNormStep::run(const Pass& pass, Range units, int /*worker*/) const {
  for (int64_t row = units.begin; row < units.end; ++row)
    pass.call(kernel(), RmsNormArgs{.x = pass.at<float>(*this, operands_.x, row),
                                    .weight = operands_.weight,
                                    .y = pass.at<float>(*this, operands_.y, row),
                                    .residual = operands_.residual.bound()
                                                    ? pass.at<float>(*this, operands_.residual, row)
                                                    : nullptr});
}

void GluStep::run(const Pass& pass, Range units, int /*worker*/) const {
  for (int64_t row = units.begin; row < units.end; ++row)
    pass.call(kernel(), GluArgs{.gate = pass.at<float>(*this, operands_.gate, row),
                                .up = pass.at<float>(*this, operands_.up, row),
                                .y = pass.at<float>(*this, operands_.y, row)});
}

void HeadNormStep::run(const Pass& pass, Range units, int /*worker*/) const {
  for (int64_t row = units.begin; row < units.end; ++row)
    pass.call(kernel(), HeadNormArgs{.x = pass.at<float>(*this, operands_.x, row),
                                     .weight = operands_.weight});
}

void NormQuantizeStep::run(const Pass& pass, Range units, int worker) const {
  for (int64_t row = units.begin; row < units.end; ++row)
    pass.call(
        kernel(),
        NormQuantizeArgs{
            .x = pass.at<float>(*this, operands_.x, row),
            .weight = operands_.weight,
            .q = pass.at<int8_t>(*this, operands_.out.q, row, worker),
            .scale = pass.at<float>(*this, operands_.out.scale, row, worker),
            .sum = pass.at<int32_t>(*this, operands_.out.sum, row, worker),
            .normed = pass.normed != nullptr ? pass.normed + row * pass.normed_stride : nullptr});
}

void QuantizeStep::run(const Pass& pass, Range units, int worker) const {
  const bool known = operands_.absmax.bound();
  for (int64_t row = units.begin; row < units.end; ++row)
    pass.call(kernel(),
              QuantizeArgs{.x = pass.at<float>(*this, operands_.x, row),
                           .absmax = known ? pass.at<float>(*this, operands_.absmax, row) : nullptr,
                           .absmax_count = known ? pass.workers : 0,
                           .absmax_stride = known ? pass.worker_stride(operands_.absmax) : 0,
                           .q = pass.at<int8_t>(*this, operands_.out.q, row, worker),
                           .scale = pass.at<float>(*this, operands_.out.scale, row, worker),
                           .sum = pass.at<int32_t>(*this, operands_.out.sum, row, worker)});
}

}  // namespace bitnetc
