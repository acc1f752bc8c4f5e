#include "runtime/steps/head_step.h"

#include <algorithm>

#include "runtime/exec/screen_state.h"
#include "runtime/rounding.h"
#include "runtime/steps/head_blocks.h"

namespace bitnetc {
namespace {

constexpr int64_t kUnitRows = 16;  // vocabulary rows: their logits are one cache line

}  // namespace

int64_t HeadStep::units(const Pass& pass) const {
  const bool screened = pass.screen != nullptr && !pass.screen->gave_up();
  if (pass.rows_of(*this) == 0 || screened) return 0;
  return ceil_div(operands_.logits.columns, kUnitRows);
}

void HeadStep::run(const Pass& pass, Range units, int /*worker*/) const {
  each_head_block(pass.rows_of(*this), units.begin * kUnitRows,
                  std::min(operands_.logits.columns, units.end * kUnitRows),
                  operands_.table_bytes / operands_.logits.columns,
                  [&](int64_t first, int64_t count, int64_t begin, int64_t end) {
                    pass.call(kernel(),
                              HeadArgs{.hidden = pass.at<float>(*this, operands_.hidden, first),
                                       .table = operands_.table,
                                       .logits = pass.at<float>(*this, operands_.logits, first),
                                       .hidden_stride = pass.stride(operands_.hidden),
                                       .logits_stride = pass.stride(operands_.logits),
                                       .rows = count,
                                       .row_begin = begin,
                                       .row_end = end});
                  });
}

}  // namespace bitnetc
