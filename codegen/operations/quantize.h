// Absmax quantisation to int8 of rows whose largest magnitude is known, or found on the way.
// Page: docs/operations/quantize.md
#pragma once

#include <compare>
#include <cstdint>
#include <string>
#include <string_view>
#include <vector>

#include "codegen/operations/call_case.h"
#include "codegen/operations/operation.h"

namespace bitnetc {

struct QuantizeSpec {
  int64_t k = 0;
  bool find_absmax = false;  // reads the row for its absmax first; else the operand absmax says it
  int64_t padded_k() const;  // columns of q that are written: k rounded up to kQuantPad
  auto operator<=>(const QuantizeSpec&) const = default;
};

namespace reference {
void quantize(const QuantizeSpec& spec, const QuantizeArgs& args);
}

template <>
struct Operation<QuantizeSpec> {
  using Args = QuantizeArgs;
  static constexpr std::string_view kName = "quant";
  static constexpr auto kReference = &reference::quantize;
  static std::vector<Operand> operands(const QuantizeSpec& spec);
  static Status validate(const QuantizeSpec& spec);
  static std::string name(const QuantizeSpec& spec);
  static QuantizeSpec parse(NameReader& reader);
  static Work work(const QuantizeSpec& spec, int64_t rows, int64_t positions);
  static std::vector<QuantizeSpec> samples();
  static std::vector<proof::CallCase> cases(const QuantizeSpec& spec);
  static void prepare(const QuantizeSpec& spec, const proof::CallCase& call_case, Random& random,
                      proof::OperandBuffers& buffers, Args& args);
};

}  // namespace bitnetc
