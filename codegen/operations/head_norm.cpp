#include "codegen/operations/head_norm.h"

#include "codegen/operations/spec_name.h"
#include "runtime/random.h"

namespace bitnetc {

using HeadNorm = Operation<HeadNormSpec>;

std::vector<Operand> HeadNorm::operands(const HeadNormSpec& spec) {
  return {{.name = "x",
           .role = Role::kInOut,
           .type = ElementType::kF32,
           .per_row = spec.heads * spec.head_dim,
           .args_offset = offsetof(HeadNormArgs, x)},
          {.name = "weight",
           .role = Role::kWeight,
           .type = ElementType::kF32,
           .fixed = spec.head_dim,
           .args_offset = offsetof(HeadNormArgs, weight)}};
}

Status HeadNorm::validate(const HeadNormSpec& spec) {
  BITNETC_RETURN_IF_ERROR(check_dimension(name(spec), "h", spec.heads));
  return check_dimension(name(spec), "d", spec.head_dim);
}

std::string HeadNorm::name(const HeadNormSpec& spec) {
  return fmt::format("headnorm_f32_h{}_d{}_eps{}", spec.heads, spec.head_dim, spec.eps);
}

HeadNormSpec HeadNorm::parse(NameReader& reader) {
  HeadNormSpec spec;
  reader.expect("f32");
  spec.heads = reader.number<int64_t>("h");
  spec.head_dim = reader.number<int64_t>("d");
  spec.eps = reader.number<float>("eps");
  return spec;
}

Work HeadNorm::work(const HeadNormSpec& spec, int64_t rows, int64_t positions) {
  return {.bytes_read = bytes_read(operands(spec), rows, positions),
          .macs = 2 * rows * spec.heads * spec.head_dim};
}

std::vector<HeadNormSpec> HeadNorm::samples() {
  std::vector<HeadNormSpec> specs;
  for (const int64_t head_dim : {1, 2, 7, 8, 16, 33, 63, 64, 65, 80, 96, 100, 128, 129, 256})
    specs.push_back({.heads = 3, .head_dim = head_dim, .eps = 1e-6f});
  specs.push_back({.heads = 16, .head_dim = 128, .eps = 1e-6f});
  return specs;
}

std::vector<proof::CallCase> HeadNorm::cases(const HeadNormSpec&) {
  std::vector<proof::CallCase> cases;
  for (const float magnitude : {1.0f, 1e-20f, 1e15f, 0.0f})
    cases.push_back({.name = fmt::format("values up to {}", magnitude), .magnitude = magnitude});
  return cases;
}

void HeadNorm::prepare(const HeadNormSpec&, const proof::CallCase&, Random&, proof::OperandBuffers&,
                       Args&) {}

}  // namespace bitnetc
