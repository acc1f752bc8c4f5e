// head: hidden states of the scored rows -> logits. A unit is a group of vocabulary rows.
#pragma once

#include "runtime/steps/row_step.h"

namespace bitnetc {

class HeadStep final : public RowStep {
 public:
  struct Operands {
    BoundSlice hidden;            // f32 [k]
    BoundSlice logits;            // f32 [vocabulary]
    const void* table = nullptr;  // [vocabulary][k] at its stored type
    int64_t table_bytes = 0;
  };
  HeadStep(StepBase base, Kernel kernel, const Operands& operands)
      : RowStep(std::move(base), std::move(kernel)), operands_(operands) {}

  std::string_view operation() const override { return "head"; }
  int64_t weight_bytes() const override { return operands_.table_bytes; }
  std::vector<Output> outputs() const override { return {{"logits", operands_.logits}}; }
  int64_t units(const Pass& pass) const override;
  int64_t least_units() const override { return 8; }
  void run(const Pass& pass, Range units, int worker) const override;

 private:
  Operands operands_;
};

}  // namespace bitnetc
