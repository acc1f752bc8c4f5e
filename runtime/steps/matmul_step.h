// The fused ternary matmuls, and the tables that LUT kernels look their sums up in.
#pragma once

#include <array>
#include <optional>

#include "runtime/steps/early_heads.h"
#include "runtime/steps/norm_steps.h"

namespace bitnetc {

// Matmul kernels are made for each number of rows up to here, and for any number.
inline constexpr int kMaxBakedM = 8;

class MatmulStep final : public LinkedStep {
 public:
  struct Operands {
    BoundQuantized x;
    BoundSlice y;                // f32
    BoundSlice residual;         // f32, as y; not bound: none
    BoundSlice row_absmax;       // f32 [1] per worker; not bound: not wanted
    BoundSlice tables;           // u8 of one row; not bound: the kernels read x
    const uint8_t* w = nullptr;  // the mapped section, or one of Executable::repacked
    const float* tile_scale = nullptr;
    int64_t tiles = 0;           // row tiles
    int64_t tiles_per_unit = 1;  // 2 where gate and up tiles alternate
    int64_t weight_bytes = 0;    // w and tile_scale
  };
  // [m], and [0] for any number of rows.
  using Kernels = std::array<Kernel, kMaxBakedM + 1>;

  MatmulStep(StepBase base, Kernels kernels, const Operands& operands)
      : LinkedStep(std::move(base)), kernels_(std::move(kernels)), operands_(operands) {}

  // Makes this the matmul of q, k and v that `heads` go on from.
  void set_early_heads(const EarlyHeads& heads) { early_heads_.emplace(heads); }

  std::string_view operation() const override { return "matmul"; }
  const Kernel& kernel(int64_t rows = 1) const override {
    return kernels_[rows >= 1 && rows <= kMaxBakedM ? static_cast<size_t>(rows) : 0];
  }
  const Operands& operands() const { return operands_; }
  int64_t weight_bytes() const override { return operands_.weight_bytes; }
  std::vector<Output> outputs() const override { return {{"y", operands_.y}}; }
  int64_t units(const Pass& pass) const override;
  int64_t least_units() const override { return 8; }  // kernels carry up to eight tiles at once
  void begin(const Pass& pass, int worker) const override;
  void run(const Pass& pass, Range units, int worker) const override;

 private:
  Kernels kernels_;
  Operands operands_;
  std::optional<EarlyHeads> early_heads_;
};

// Makes the tables of the one row of a pass; passes of more rows need none. A unit is a block of
// columns.
class TablesStep final : public LinkedStep {
 public:
  struct Operands {
    BoundSlice x;       // i8
    BoundSlice tables;  // u8
    int64_t blocks = 0;
  };
  TablesStep(StepBase base, Kernel kernel, const Operands& operands)
      : LinkedStep(std::move(base)), kernel_(std::move(kernel)), operands_(operands) {}

  std::string_view operation() const override { return "tables"; }
  const Kernel& kernel(int64_t /*rows*/ = 1) const override { return kernel_; }
  std::vector<Output> outputs() const override { return {}; }
  int64_t units(const Pass& pass) const override;
  void run(const Pass& pass, Range units, int worker) const override;

 private:
  Kernel kernel_;
  Operands operands_;
};

}  // namespace bitnetc
