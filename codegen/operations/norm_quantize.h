// RMS norm with weight, then absmax quantisation to int8, row by row.
// Page: docs/operations/norm_quantize.md
#pragma once

#include <compare>
#include <cstdint>
#include <string>
#include <string_view>
#include <vector>

#include "codegen/operations/call_case.h"
#include "codegen/operations/operation.h"

namespace bitnetc {

struct NormQuantizeSpec {
  int64_t k = 0;
  float eps = 0;
  int64_t padded_k() const;  // columns of q that are written: k rounded up to kQuantPad
  auto operator<=>(const NormQuantizeSpec&) const = default;
};

namespace reference {
void norm_quantize(const NormQuantizeSpec& spec, const NormQuantizeArgs& args);
}

template <>
struct Operation<NormQuantizeSpec> {
  using Args = NormQuantizeArgs;
  static constexpr std::string_view kName = "normquant";
  static constexpr auto kReference = &reference::norm_quantize;
  static std::vector<Operand> operands(const NormQuantizeSpec& spec);
  static Status validate(const NormQuantizeSpec& spec);
  static std::string name(const NormQuantizeSpec& spec);
  static NormQuantizeSpec parse(NameReader& reader);
  static Work work(const NormQuantizeSpec& spec, int64_t rows, int64_t positions);
  static std::vector<NormQuantizeSpec> samples();
  static std::vector<proof::CallCase> cases(const NormQuantizeSpec& spec);
  static void prepare(const NormQuantizeSpec& spec, const proof::CallCase& call_case,
                      Random& random, proof::OperandBuffers& buffers, Args& args);
};

}  // namespace bitnetc
