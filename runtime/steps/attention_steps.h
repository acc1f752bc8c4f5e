// The steps that use the KV cache: rotation with append, and attention.
#pragma once

#include "runtime/steps/row_step.h"

namespace bitnetc {

// Rotates q and k of a fused row in place and appends k and v to the row's sequence.
class RopeAppendStep final : public RowStep {
 public:
  struct Operands {
    BoundSlice qkv;  // f32, in place
    int64_t layer = 0;
    int rope = 0;  // into Executable::rotations
  };
  RopeAppendStep(StepBase base, Kernel kernel, const Operands& operands)
      : RowStep(std::move(base), std::move(kernel)), operands_(operands) {}

  std::string_view operation() const override { return "ropeappend"; }
  std::vector<Output> outputs() const override { return {{"qkv", operands_.qkv}}; }
  void run(const Pass& pass, Range units, int worker) const override;

 private:
  Operands operands_;
};

// A unit is one row and the query heads of one kv head.
class AttentionStep final : public RowStep {
 public:
  struct Operands {
    BoundSlice q, out;  // f32 [q_heads * head_dim]
    BoundSlice scores;  // f32, per position and worker: runtime/attention_scratch.h
    int64_t layer = 0;
    int64_t q_per_kv = 1;
  };
  AttentionStep(StepBase base, Kernel kernel, const Operands& operands)
      : RowStep(std::move(base), std::move(kernel)), operands_(operands) {}

  std::string_view operation() const override { return "attention"; }
  std::vector<Output> outputs() const override { return {{"out", operands_.out}}; }
  int64_t units(const Pass& pass) const override;
  void run(const Pass& pass, Range units, int worker) const override;

 private:
  Operands operands_;
};

}  // namespace bitnetc
