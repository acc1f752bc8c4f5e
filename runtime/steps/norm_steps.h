// The steps that work on one row alone: RMS norm, norm of heads, RMS norm with quantisation,
// quantisation, gated product.
#pragma once

#include "runtime/steps/row_step.h"

namespace bitnetc {

// A quantised row: codes, their scale, their sum.
struct BoundQuantized {
  BoundSlice q;      // i8 [padded k]
  BoundSlice scale;  // f32 [1]
  BoundSlice sum;    // i32 [1]
};

class RmsNormStep final : public RowStep {
 public:
  struct Operands {
    BoundSlice x;         // f32 [k]
    BoundSlice residual;  // f32 [k]; not bound: none is added
    BoundSlice y;         // f32 [k]
    const float* weight = nullptr;
  };
  RmsNormStep(StepBase base, Kernel kernel, const Operands& operands)
      : RowStep(std::move(base), std::move(kernel)), operands_(operands) {}

  std::string_view operation() const override { return "rmsnorm"; }
  int64_t weight_bytes() const override { return operands_.x.columns * 4; }
  std::vector<Output> outputs() const override { return {{"y", operands_.y}}; }
  void run(const Pass& pass, Range units, int worker) const override;

 private:
  Operands operands_;
};

class GluStep final : public RowStep {
 public:
  struct Operands {
    BoundSlice gate, up, y;  // f32 [n]
  };
  GluStep(StepBase base, Kernel kernel, const Operands& operands)
      : RowStep(std::move(base), std::move(kernel)), operands_(operands) {}

  std::string_view operation() const override { return "glu"; }
  std::vector<Output> outputs() const override { return {{"y", operands_.y}}; }
  void run(const Pass& pass, Range units, int worker) const override;

 private:
  Operands operands_;
};

class HeadNormStep final : public RowStep {
 public:
  struct Operands {
    BoundSlice x;  // f32 [heads * head_dim], in place
    const float* weight = nullptr;
  };
  HeadNormStep(StepBase base, Kernel kernel, const Operands& operands)
      : RowStep(std::move(base), std::move(kernel)), operands_(operands) {}

  std::string_view operation() const override { return "headnorm"; }
  std::vector<Output> outputs() const override { return {{"x", operands_.x}}; }
  void run(const Pass& pass, Range units, int worker) const override;

 private:
  Operands operands_;
};

class NormQuantizeStep final : public RowStep {
 public:
  struct Operands {
    BoundSlice x;  // f32 [k]
    BoundQuantized out;
    const float* weight = nullptr;
  };
  NormQuantizeStep(StepBase base, Kernel kernel, const Operands& operands)
      : RowStep(std::move(base), std::move(kernel)), operands_(operands) {}

  std::string_view operation() const override { return "normquant"; }
  int64_t weight_bytes() const override { return operands_.x.columns * 4; }
  std::vector<Output> outputs() const override {
    return {{"q", operands_.out.q}, {"scale", operands_.out.scale}, {"sum", operands_.out.sum}};
  }
  const float* weight() const { return operands_.weight; }
  void run(const Pass& pass, Range units, int worker) const override;

 private:
  Operands operands_;
};

class QuantizeStep final : public RowStep {
 public:
  struct Operands {
    BoundSlice x;       // f32 [k]
    BoundSlice absmax;  // f32 [1] per worker; not bound: the kernel finds it
    BoundQuantized out;
  };
  QuantizeStep(StepBase base, Kernel kernel, const Operands& operands)
      : RowStep(std::move(base), std::move(kernel)), operands_(operands) {}

  std::string_view operation() const override { return "quant"; }
  std::vector<Output> outputs() const override {
    return {{"q", operands_.out.q}, {"scale", operands_.out.scale}, {"sum", operands_.out.sum}};
  }
  void run(const Pass& pass, Range units, int worker) const override;

 private:
  Operands operands_;
};

}  // namespace bitnetc
