// Logits: the dot products of a hidden row with rows of the head.
// Page: docs/operations/head.md
#pragma once

#include <compare>
#include <cstdint>
#include <string>
#include <string_view>
#include <vector>

#include "codegen/operations/call_case.h"
#include "codegen/operations/operation.h"
#include "runtime/float_type.h"

namespace bitnetc {

struct HeadSpec {
  int64_t n = 0, k = 0;
  FloatType type = FloatType::kBf16;
  auto operator<=>(const HeadSpec&) const = default;
};

namespace reference {
void head(const HeadSpec& spec, const HeadArgs& args);
}

template <>
struct Operation<HeadSpec> {
  using Args = HeadArgs;
  static constexpr std::string_view kName = "head";
  static constexpr auto kReference = &reference::head;
  static std::vector<Operand> operands(const HeadSpec& spec);
  static Status validate(const HeadSpec& spec);
  static std::string name(const HeadSpec& spec);
  static HeadSpec parse(NameReader& reader);
  static Work work(const HeadSpec& spec, int64_t rows, int64_t positions);
  static std::vector<HeadSpec> samples();
  static std::vector<proof::CallCase> cases(const HeadSpec& spec);
  static void prepare(const HeadSpec& spec, const proof::CallCase& call_case, Random& random,
                      proof::OperandBuffers& buffers, Args& args);
};

}  // namespace bitnetc
