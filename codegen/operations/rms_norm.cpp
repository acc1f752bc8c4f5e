#include "codegen/operations/rms_norm.h"

#include "codegen/operations/spec_name.h"
#include "runtime/random.h"

namespace bitnetc {

using RmsNorm = Operation<RmsNormSpec>;

std::vector<Operand> RmsNorm::operands(const RmsNormSpec& spec) {
  std::vector<Operand> list = {{.name = "x",
                                .role = Role::kInput,
                                .type = ElementType::kF32,
                                .per_row = spec.k,
                                .args_offset = offsetof(RmsNormArgs, x)},
                               {.name = "weight",
                                .role = Role::kWeight,
                                .type = ElementType::kF32,
                                .fixed = spec.k,
                                .args_offset = offsetof(RmsNormArgs, weight)},
                               {.name = "y",
                                .role = Role::kOutput,
                                .type = ElementType::kF32,
                                .per_row = spec.k,
                                .args_offset = offsetof(RmsNormArgs, y)}};
  if (spec.residual)
    list.push_back({.name = "residual",
                    .role = Role::kInput,
                    .type = ElementType::kF32,
                    .per_row = spec.k,
                    .args_offset = offsetof(RmsNormArgs, residual)});
  return list;
}

Status RmsNorm::validate(const RmsNormSpec& spec) {
  return check_dimension(name(spec), "k", spec.k);
}

std::string RmsNorm::name(const RmsNormSpec& spec) {
  return fmt::format("rmsnorm_f32_k{}_eps{}{}", spec.k, spec.eps, spec.residual ? "_residual" : "");
}

RmsNormSpec RmsNorm::parse(NameReader& reader) {
  RmsNormSpec spec;
  reader.expect("f32");
  spec.k = reader.number<int64_t>("k");
  spec.eps = reader.number<float>("eps");
  spec.residual = reader.take("residual");
  return spec;
}

Work RmsNorm::work(const RmsNormSpec& spec, int64_t rows, int64_t positions) {
  return {.bytes_read = bytes_read(operands(spec), rows, positions), .macs = 2 * rows * spec.k};
}

std::vector<RmsNormSpec> RmsNorm::samples() {
  std::vector<RmsNormSpec> specs;
  for (const bool residual : {false, true})
    for (const int64_t k : kSampleWidths)
      specs.push_back({.k = k, .eps = 1e-5f, .residual = residual});
  return specs;
}

std::vector<proof::CallCase> RmsNorm::cases(const RmsNormSpec&) {
  std::vector<proof::CallCase> cases;
  for (const float magnitude : {1.0f, 1e-20f, 1e15f, 0.0f})
    cases.push_back({.name = fmt::format("values up to {}", magnitude), .magnitude = magnitude});
  return cases;
}

void RmsNorm::prepare(const RmsNormSpec&, const proof::CallCase&, Random&, proof::OperandBuffers&,
                      Args&) {}

}  // namespace bitnetc
