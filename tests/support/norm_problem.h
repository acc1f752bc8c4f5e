// What the tests of the norm kernels share: rows that find rounding and range mistakes, and a run
// of a kernel beside the reference with every buffer against an unreadable page.
#pragma once

#include <cstdint>
#include <string>
#include <vector>

#include "codegen/kernel_spec.h"
#include "runtime/kernel.h"
#include "runtime/kernel_args.h"
#include "tests/support/guarded_buffer.h"

namespace bitnetc::test {

struct NormRow {
  std::string name;
  std::vector<float> x, weight;
};

// Random rows of several sizes, up to a sum of squares that overflows and down to one that
// vanishes; zeros; a single spike at either end.
std::vector<NormRow> norm_rows(int64_t k);

// With eps = kTieEps the row norms to r = 1, its absmax is 127 and every y is half-way between
// integers.
inline constexpr float kTieEps = 0.75f;
NormRow tie_row(int64_t k);

// A row to be quantised and the absmax values it comes with, one at every `stride` floats.
struct QuantizeRow {
  std::string name;
  std::vector<float> x, absmax;
  int64_t stride = 1;
};
// Random rows from subnormal to huge, zeros, infinities and NaNs, ties; with one maximum, and with
// one for each of seven parts.
std::vector<QuantizeRow> quantize_rows(int64_t k);

// Runs `kernel` and the reference on `row`. Empty when every output has the same bits and nothing
// beside the buffers was written; else what differed first.
std::string compare_norm_quantize(const NormQuantizeSpec& spec, const Kernel& kernel,
                                  const NormRow& row, Edge edge);
std::string compare_quantize(const QuantizeSpec& spec, const Kernel& kernel, const QuantizeRow& row,
                             Edge edge);
std::string compare_rms_norm(const RmsNormSpec& spec, const Kernel& kernel, const NormRow& row,
                             Edge edge);

}  // namespace bitnetc::test
