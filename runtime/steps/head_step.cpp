#include "runtime/steps/head_step.h"

#include <algorithm>

#include "runtime/exec/screen_state.h"
#include "runtime/rounding.h"

namespace bitnetc {
namespace {

constexpr int64_t kUnitRows = 16;  // vocabulary rows: their logits are one cache line
// Vocabulary rows that stay in the L2 cache while several groups of hidden states meet them.
constexpr int64_t kCachedRows = 64;

}  // namespace

int64_t HeadStep::units(const Pass& pass) const {
  const bool screened = pass.screen != nullptr && !pass.screen->gave_up();
  if (pass.rows_of(*this) == 0 || screened) return 0;
  return ceil_div(operands_.logits.columns, kUnitRows);
}

// The table is read from memory once, however many rows there are.
void HeadStep::run(const Pass& pass, Range units, int /*worker*/) const {
  const int64_t rows = pass.rows_of(*this);
  const int64_t end = std::min(operands_.logits.columns, units.end * kUnitRows);
  const int64_t block = rows <= kMaxHeadRows ? end : kCachedRows;
  for (int64_t begin = units.begin * kUnitRows; begin < end; begin += block) {
    for (int64_t first = 0; first < rows; first += kMaxHeadRows)
      kernel()(HeadArgs{.hidden = pass.at<float>(*this, operands_.hidden, first),
                        .table = operands_.table,
                        .logits = pass.at<float>(*this, operands_.logits, first),
                        .hidden_stride = pass.stride(operands_.hidden),
                        .logits_stride = pass.stride(operands_.logits),
                        .rows = std::min(rows - first, kMaxHeadRows),
                        .row_begin = begin,
                        .row_end = std::min(end, begin + block)});
  }
}

}  // namespace bitnetc
