// The part that steps of one kernel and independent rows share: a unit is a row.
#pragma once

#include <utility>

#include "runtime/exec/pass.h"
#include "runtime/kernel_args.h"

namespace bitnetc {

class RowStep : public LinkedStep {
 public:
  RowStep(StepBase base, Kernel kernel) : LinkedStep(std::move(base)), kernel_(std::move(kernel)) {}

  const Kernel& kernel(int64_t /*rows*/ = 1) const override { return kernel_; }
  int64_t units(const Pass& pass) const override { return pass.rows_of(*this); }

 private:
  Kernel kernel_;
};

}  // namespace bitnetc
