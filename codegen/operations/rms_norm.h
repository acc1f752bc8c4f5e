// RMS norm with weight, row by row; maybe added to a residual row.
// Page: docs/operations/rms_norm.md
#pragma once

#include <compare>
#include <cstdint>
#include <string>
#include <string_view>
#include <vector>

#include "codegen/operations/call_case.h"
#include "codegen/operations/operation.h"

namespace bitnetc {

struct RmsNormSpec {
  int64_t k = 0;
  float eps = 0;
  bool residual = false;  // y = residual + the norm
  auto operator<=>(const RmsNormSpec&) const = default;
};

namespace reference {
void rms_norm(const RmsNormSpec& spec, const RmsNormArgs& args);
}

template <>
struct Operation<RmsNormSpec> {
  using Args = RmsNormArgs;
  static constexpr std::string_view kName = "rmsnorm";
  static constexpr auto kReference = &reference::rms_norm;
  static std::vector<Operand> operands(const RmsNormSpec& spec);
  static Status validate(const RmsNormSpec& spec);
  static std::string name(const RmsNormSpec& spec);
  static RmsNormSpec parse(NameReader& reader);
  static Work work(const RmsNormSpec& spec, int64_t rows, int64_t positions);
  static std::vector<RmsNormSpec> samples();
  static std::vector<proof::CallCase> cases(const RmsNormSpec& spec);
  static void prepare(const RmsNormSpec& spec, const proof::CallCase& call_case, Random& random,
                      proof::OperandBuffers& buffers, Args& args);
};

}  // namespace bitnetc
