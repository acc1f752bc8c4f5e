// The steps of the screened head (docs/screened-head.md), in order: hidden rows in whole numbers;
// an estimate of every logit; the logits of the best estimates, and with them the least logit that
// can matter; the logits of all ids whose estimate may reach it. They run where Pass::screen is
// set, and the head in full where it is not or where they gave up.
#pragma once

#include <memory>

#include "runtime/steps/row_step.h"

namespace bitnetc {

struct ScreenOperands {
  BoundSlice hidden;             // f32 [k]
  BoundSlice logits;             // f32 [n]
  int64_t n = 0, k = 0;          // of the head
  int64_t padded_k = 0;          // columns of a hidden row in whole numbers
  const uint8_t* codes[2] = {};  // coarse, fine
  int64_t row_bytes[2] = {};
  Kernel kernels[2];
  const float* step = nullptr;  // f32 [n], as the errors
  const float* coarse_error = nullptr;
  const float* fine_error = nullptr;
  Kernel exact;  // the head's
  const void* table = nullptr;
  int64_t table_row_bytes = 0;
};

class ScreenStep : public LinkedStep {
 public:
  ScreenStep(StepBase base, std::shared_ptr<const ScreenOperands> operands)
      : LinkedStep(std::move(base)), operands_(std::move(operands)) {}

  std::string_view operation() const override { return "screen"; }
  const Kernel& kernel(int64_t /*rows*/ = 1) const override { return operands_->kernels[0]; }
  std::vector<Output> outputs() const override { return {}; }

 protected:
  const ScreenOperands& operands() const { return *operands_; }
  // Kernels on rows [begin, end) of the head.
  void estimate(const Pass& pass, int part, int64_t row, int64_t rows, int64_t begin,
                int64_t end) const;
  void compute(const Pass& pass, int64_t row, int64_t begin, int64_t end) const;

 private:
  std::shared_ptr<const ScreenOperands> operands_;
};

class ScreenSplitStep final : public ScreenStep {  // a unit is a hidden row
 public:
  using ScreenStep::ScreenStep;
  int64_t units(const Pass& pass) const override;
  void run(const Pass& pass, Range units, int worker) const override;
};

class ScreenEstimateStep final : public ScreenStep {  // a unit is a segment
 public:
  using ScreenStep::ScreenStep;
  int64_t weight_bytes() const override;
  int64_t units(const Pass& pass) const override;
  void run(const Pass& pass, Range units, int worker) const override;
};

class ScreenProbeStep final : public ScreenStep {  // a unit is a hidden row
 public:
  using ScreenStep::ScreenStep;
  int64_t units(const Pass& pass) const override;
  void run(const Pass& pass, Range units, int worker) const override;
};

class ScreenRefineStep final : public ScreenStep {  // a unit is a segment
 public:
  using ScreenStep::ScreenStep;
  int64_t units(const Pass& pass) const override;
  void run(const Pass& pass, Range units, int worker) const override;

 private:
  void refine(const Pass& pass, int64_t row, int64_t segment) const;
};

}  // namespace bitnetc
