// Random operands of ternary matmuls in the caller's memory, for the start-up proof and for
// measurements. The values are chosen to find mistakes.
#pragma once

#include <cstdint>

#include "codegen/kernel_spec.h"
#include "runtime/random.h"

namespace bitnetc {

// Rows of x and what belongs to each of them.
struct MatmulRows {
  int8_t* x;
  int64_t stride;  // from row to row
  float* scale;
  int32_t* sum;
  int64_t count;
};
// K columns of every row, its scale and its sum. Long runs of the extremes, where int16 sums would
// overflow first, come before random values.
void fill_rows(const MatmulRows& rows, int64_t k, Random& random);

// The packed weights of one tile: a first row of +1 and a second row of -1, for the extreme sums,
// and random rows below.
void fill_tile(const WeightLayout& layout, uint8_t* tile, Random& random);

}  // namespace bitnetc
