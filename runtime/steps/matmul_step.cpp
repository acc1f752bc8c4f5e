#include "runtime/steps/matmul_step.h"

#include <algorithm>

namespace bitnetc {

int64_t MatmulStep::units(const Pass& pass) const {
  return pass.rows_of(*this) > 0 ? operands_.tiles / operands_.tiles_per_unit : 0;
}

void MatmulStep::begin(const Pass& pass, int worker) const {
  if (!operands_.row_absmax.bound()) return;
  const int64_t rows = pass.rows_of(*this);
  for (int64_t row = 0; row < rows; ++row)
    pass.clear(pass.at<float>(*this, operands_.row_absmax, row, worker), sizeof(float));
}

void MatmulStep::run(const Pass& pass, Range units, int worker) const {
  const Operands& o = operands_;
  const int64_t rows = pass.rows_of(*this);
  pass.call(
      kernel(rows),
      MatmulArgs{.x = pass.at<int8_t>(*this, o.x.q, 0, worker),
                 .tables = o.tables.bound() ? pass.at<uint8_t>(*this, o.tables, 0) : nullptr,
                 .w = o.w,
                 .y = pass.at<float>(*this, o.y, 0),
                 .x_scale = pass.at<float>(*this, o.x.scale, 0, worker),
                 .x_sum = pass.at<int32_t>(*this, o.x.sum, 0, worker),
                 .tile_scale = o.tile_scale,
                 .residual = o.residual.bound() ? pass.at<float>(*this, o.residual, 0) : nullptr,
                 .x_stride = pass.stride(o.x.q),
                 .y_stride = pass.stride(o.y),
                 .tile_begin = units.begin * o.tiles_per_unit,
                 .tile_end = units.end * o.tiles_per_unit,
                 .m = rows,
                 .row_absmax = o.row_absmax.bound() ? pass.at<float>(*this, o.row_absmax, 0, worker)
                                                    : nullptr});
  if (early_heads_ && pass.has_early_heads()) early_heads_->finish_tiles(pass, units, worker);
}

int64_t TablesStep::units(const Pass& pass) const {
  return pass.rows_of(*this) == 1 ? operands_.blocks : 0;
}

void TablesStep::run(const Pass& pass, Range units, int worker) const {
  pass.call(kernel_, BuildTablesArgs{.x = pass.at<int8_t>(*this, operands_.x, 0, worker),
                                     .tables = pass.at<uint8_t>(*this, operands_.tables, 0),
                                     .block_begin = units.begin,
                                     .block_end = units.end});
}

}  // namespace bitnetc
