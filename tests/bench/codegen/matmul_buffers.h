// Operands of a matmul to time kernels on. They need not mean anything: only their addresses matter
// for time.
#pragma once

#include <algorithm>

#include "codegen/kernel_spec.h"
#include "runtime/buffer.h"

namespace bitnetc::test {

class MatmulBuffers {
 public:
  // `weight_bytes`: of the packed matrix, a part of it or copies of it.
  MatmulBuffers(const MatmulSpec& spec, int64_t tokens, int64_t weight_bytes)
      : spec_(spec),
        tokens_(tokens),
        x_(static_cast<size_t>(tokens * spec.padded_k())),
        y_(static_cast<size_t>(tokens * spec.output_columns())),
        residual_(y_.size()),
        x_scale_(static_cast<size_t>(tokens)),
        tile_scale_(static_cast<size_t>(spec.weight_layout().tiles())),
        x_sum_(static_cast<size_t>(tokens)),
        w_(static_cast<size_t>(weight_bytes)),
        tables_(table_bytes(spec)) {
    std::fill(w_.begin(), w_.end(), uint8_t{0b10'01'00'01});
    std::fill(x_.begin(), x_.end(), int8_t{3});
  }

  // `weight_offset`: bytes from the first copy of the matrix to the one that is read.
  MatmulArgs args(int64_t tile_begin, int64_t tile_end, int64_t weight_offset = 0) {
    return {.x = x_.data(),
            .tables = tables_.data(),
            .w = w_.data() + weight_offset,
            .y = y_.data(),
            .x_scale = x_scale_.data(),
            .x_sum = x_sum_.data(),
            .tile_scale = tile_scale_.data(),
            .residual = residual_.data(),
            .x_stride = spec_.padded_k(),
            .y_stride = spec_.output_columns(),
            .tile_begin = tile_begin,
            .tile_end = tile_end,
            .m = tokens_};
  }

 private:
  // Of the largest form.
  static size_t table_bytes(const MatmulSpec& spec) {
    if (spec.layout == LayoutId::kI2S) return 0;
    return static_cast<size_t>(TablesSpec{.k = spec.k, .layout = spec.layout}.table_bytes());
  }

  const MatmulSpec spec_;
  const int64_t tokens_;
  Buffer<int8_t> x_;
  Buffer<float> y_, residual_, x_scale_, tile_scale_;
  Buffer<int32_t> x_sum_;
  Buffer<uint8_t> w_, tables_;
};

}  // namespace bitnetc::test
