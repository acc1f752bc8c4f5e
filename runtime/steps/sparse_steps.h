// The projections of an FFN that skip neurons, for passes of one row.
#pragma once

#include <atomic>
#include <optional>

#include "runtime/steps/norm_steps.h"

namespace bitnetc {

// Counts what it reads: weight_bytes() is the mean of the passes so far, and all of the weights
// before the first one.
class SparseStep : public LinkedStep {
 public:
  struct Neurons {
    const uint8_t* w = nullptr;  // the mapped section
    const float* tile_scale = nullptr;
    int64_t count = 0, row_bytes = 0;
    int64_t tiles = 0;  // of outputs
  };

  const Kernel& kernel(int64_t /*rows*/ = 1) const override { return kernel_; }
  int64_t weight_bytes() const override;
  // The share of the neurons that the passes so far have read, 0..1; empty: there was none.
  std::optional<double> share_read() const;
  int64_t units(const Pass& /*pass*/) const override { return units_; }

 protected:
  SparseStep(StepBase base, Kernel kernel, const Neurons& neurons, int64_t units)
      : LinkedStep(std::move(base)), neurons_(neurons), units_(units), kernel_(std::move(kernel)) {}

  // What one call of the kernel has read, of the units that begin at `first`.
  void count(int64_t bytes, int64_t first) const;

  const Neurons neurons_;
  const int64_t units_;

 private:
  Kernel kernel_;
  mutable std::atomic<int64_t> bytes_ = 0, passes_ = 0;
};

class SparseUpStep final : public SparseStep {  // a unit is a tile of neurons
 public:
  struct Operands {
    BoundQuantized x;
    BoundSlice gate, y;  // f32 [n]
  };
  SparseUpStep(StepBase base, Kernel kernel, const Operands& operands, const Neurons& neurons)
      : SparseStep(std::move(base), std::move(kernel), neurons, neurons.tiles),
        operands_(operands) {}

  std::string_view operation() const override { return "sparseup"; }
  std::vector<Output> outputs() const override { return {{"y", operands_.y}}; }
  int64_t least_units() const override { return 8; }  // rows of later tiles are prefetched
  void run(const Pass& pass, Range units, int worker) const override;

 private:
  Operands operands_;
};

class SparseDownStep final : public SparseStep {  // a unit is a chunk of outputs
 public:
  struct Operands {
    BoundQuantized x;
    BoundSlice residual;  // f32 [n]; not bound: none
    BoundSlice y;         // f32 [n]
  };
  SparseDownStep(StepBase base, Kernel kernel, const Operands& operands, const Neurons& neurons,
                 int64_t chunks)
      : SparseStep(std::move(base), std::move(kernel), neurons, chunks), operands_(operands) {}

  std::string_view operation() const override { return "sparsedown"; }
  std::vector<Output> outputs() const override { return {{"y", operands_.y}}; }
  // Every call looks for the active neurons first: a worker's share is not cut.
  int64_t least_units() const override { return units_; }
  void run(const Pass& pass, Range units, int worker) const override;

 private:
  Operands operands_;
};

}  // namespace bitnetc
