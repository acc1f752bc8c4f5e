#include "codegen/operations/embed.h"

#include <cmath>

#include "codegen/operations/spec_name.h"
#include "runtime/random.h"

namespace bitnetc {
namespace {

constexpr int64_t kCaseTokens = 3;  // rows of the table in cases()

}  // namespace

using Embed = Operation<EmbedSpec>;

std::vector<Operand> Embed::operands(const EmbedSpec& spec) {
  // Rows of the table: the vocabulary of the model, times k.
  return {{.name = "table",
           .role = Role::kWeight,
           .type = element_type(spec.type),
           .fixed = kUnknownExtent,
           .args_offset = offsetof(EmbedArgs, table)},
          {.name = "h",
           .role = Role::kOutput,
           .type = ElementType::kF32,
           .per_row = spec.k,
           .args_offset = offsetof(EmbedArgs, h)}};
}

Status Embed::validate(const EmbedSpec& spec) {
  BITNETC_RETURN_IF_ERROR(check_dimension(name(spec), "k", spec.k));
  if (std::isfinite(spec.scale) && spec.scale > 0) return {};
  return make_error(StatusCode::kInvalidArgument, "{}: scale = {}, expected a positive number",
                    name(spec), spec.scale);
}

std::string Embed::name(const EmbedSpec& spec) {
  const std::string scale = spec.scale == 1 ? "" : fmt::format("_scale{}", spec.scale);
  return fmt::format("embed_f32_{}_k{}{}", float_type_name(spec.type), spec.k, scale);
}

EmbedSpec Embed::parse(NameReader& reader) {
  EmbedSpec spec;
  reader.expect("f32");
  spec.type = reader.float_type();
  spec.k = reader.number<int64_t>("k");
  if (reader.at_end()) return spec;
  spec.scale = reader.number<float>("scale");
  if (spec.scale == 1) reader.fail("scale");  // one name each
  return spec;
}

Work Embed::work(const EmbedSpec& spec, int64_t rows, int64_t positions) {
  // One row of the table per token.
  (void)positions;
  return {.bytes_read = rows * spec.k * float_type_bytes(spec.type), .macs = 0};
}

std::vector<EmbedSpec> Embed::samples() {
  std::vector<EmbedSpec> specs;
  for (const FloatType type : kFloatTypes)
    for (const float scale : {1.0f, 11.313708f})
      for (const int64_t k : kSampleWidths) specs.push_back({.k = k, .type = type, .scale = scale});
  return specs;
}

std::vector<proof::CallCase> Embed::cases(const EmbedSpec&) {
  return {{.name = "first token", .first = 0}, {.name = "last token", .first = kCaseTokens - 1}};
}

void Embed::resolve(const EmbedSpec& spec, const proof::CallCase&, std::vector<Operand>& operands) {
  operands[0].fixed = kCaseTokens * spec.k;
}

void Embed::prepare(const EmbedSpec&, const proof::CallCase& call_case, Random&,
                    proof::OperandBuffers&, Args& args) {
  args.token = call_case.first;
}

}  // namespace bitnetc
