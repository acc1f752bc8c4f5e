// RMS norm of each head of q or k by itself, in place, all with one weight.
// Page: docs/operations/head_norm.md
#pragma once

#include <compare>
#include <cstdint>
#include <string>
#include <string_view>
#include <vector>

#include "codegen/operations/call_case.h"
#include "codegen/operations/operation.h"

namespace bitnetc {

struct HeadNormSpec {
  int64_t heads = 0, head_dim = 0;
  float eps = 0;
  auto operator<=>(const HeadNormSpec&) const = default;
};

namespace reference {
void head_norm(const HeadNormSpec& spec, const HeadNormArgs& args);
}

template <>
struct Operation<HeadNormSpec> {
  using Args = HeadNormArgs;
  static constexpr std::string_view kName = "headnorm";
  static constexpr auto kReference = &reference::head_norm;
  static std::vector<Operand> operands(const HeadNormSpec& spec);
  static Status validate(const HeadNormSpec& spec);
  static std::string name(const HeadNormSpec& spec);
  static HeadNormSpec parse(NameReader& reader);
  static Work work(const HeadNormSpec& spec, int64_t rows, int64_t positions);
  static std::vector<HeadNormSpec> samples();
  static std::vector<proof::CallCase> cases(const HeadNormSpec& spec);
  static void prepare(const HeadNormSpec& spec, const proof::CallCase& call_case, Random& random,
                      proof::OperandBuffers& buffers, Args& args);
};

}  // namespace bitnetc
