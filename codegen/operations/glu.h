// The gated product of two rows: what the gated epilogues of a matmul do, where gate and up do not
// come from one matmul.
// Page: docs/operations/glu.md
#pragma once

#include <compare>
#include <cstdint>
#include <string>
#include <string_view>
#include <vector>

#include "codegen/operations/call_case.h"
#include "codegen/operations/matmul.h"
#include "codegen/operations/operation.h"

namespace bitnetc {

struct GluSpec {
  int64_t n = 0;
  Epilogue epilogue = Epilogue::kSiluMul;  // a gated one
  auto operator<=>(const GluSpec&) const = default;
};

namespace reference {
// What a gated epilogue makes of two values.
float gated(Epilogue epilogue, float gate, float up);
void glu(const GluSpec& spec, const GluArgs& args);
}  // namespace reference

template <>
struct Operation<GluSpec> {
  using Args = GluArgs;
  static constexpr std::string_view kName = "glu";
  static constexpr auto kReference = &reference::glu;
  static std::vector<Operand> operands(const GluSpec& spec);
  static Status validate(const GluSpec& spec);
  static std::string name(const GluSpec& spec);
  static GluSpec parse(NameReader& reader);
  static Work work(const GluSpec& spec, int64_t rows, int64_t positions);
  static std::vector<GluSpec> samples();
  static std::vector<proof::CallCase> cases(const GluSpec& spec);
  static void prepare(const GluSpec& spec, const proof::CallCase& call_case, Random& random,
                      proof::OperandBuffers& buffers, Args& args);
};

}  // namespace bitnetc
