// embed: token id -> hidden state.
#pragma once

#include "runtime/steps/row_step.h"

namespace bitnetc {

class EmbedStep final : public RowStep {
 public:
  struct Operands {
    const void* table = nullptr;  // [vocabulary][k] at its stored type
    BoundSlice h;                 // f32 [k]
  };
  EmbedStep(StepBase base, Kernel kernel, const Operands& operands)
      : RowStep(std::move(base), std::move(kernel)), operands_(operands) {}

  std::string_view operation() const override { return "embed"; }
  std::vector<Output> outputs() const override { return {{"h", operands_.h}}; }
  void run(const Pass& pass, Range units, int worker) const override;

 private:
  Operands operands_;
};

}  // namespace bitnetc
