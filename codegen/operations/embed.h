// Rows of the embedding table, widened to f32, times a factor that some families have.
// Page: docs/operations/embed.md
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

struct EmbedSpec {
  int64_t k = 0;
  FloatType type = FloatType::kBf16;
  float scale = 1;
  auto operator<=>(const EmbedSpec&) const = default;
};

namespace reference {
void embed(const EmbedSpec& spec, const EmbedArgs& args);
}

template <>
struct Operation<EmbedSpec> {
  using Args = EmbedArgs;
  static constexpr std::string_view kName = "embed";
  static constexpr auto kReference = &reference::embed;
  static std::vector<Operand> operands(const EmbedSpec& spec);
  static Status validate(const EmbedSpec& spec);
  static std::string name(const EmbedSpec& spec);
  static EmbedSpec parse(NameReader& reader);
  static Work work(const EmbedSpec& spec, int64_t rows, int64_t positions);
  static std::vector<EmbedSpec> samples();
  static std::vector<proof::CallCase> cases(const EmbedSpec& spec);
  static void resolve(const EmbedSpec& spec, const proof::CallCase& call_case,
                      std::vector<Operand>& operands);
  static void prepare(const EmbedSpec& spec, const proof::CallCase& call_case, Random& random,
                      proof::OperandBuffers& buffers, Args& args);
};

}  // namespace bitnetc
