#include "codegen/operations/norm_quantize.h"

#include "codegen/operations/spec_name.h"
#include "runtime/random.h"
#include "runtime/rounding.h"

namespace bitnetc {

int64_t NormQuantizeSpec::padded_k() const {
  return round_up(k, kQuantPad);
}

using NormQuantize = Operation<NormQuantizeSpec>;

std::vector<Operand> NormQuantize::operands(const NormQuantizeSpec& spec) {
  return {{.name = "x",
           .role = Role::kInput,
           .type = ElementType::kF32,
           .per_row = spec.k,
           .args_offset = offsetof(NormQuantizeArgs, x)},
          {.name = "weight",
           .role = Role::kWeight,
           .type = ElementType::kF32,
           .fixed = spec.k,
           .args_offset = offsetof(NormQuantizeArgs, weight)},
          {.name = "q",
           .role = Role::kOutput,
           .type = ElementType::kI8,
           .per_row = spec.padded_k(),
           .args_offset = offsetof(NormQuantizeArgs, q)},
          {.name = "scale",
           .role = Role::kOutput,
           .type = ElementType::kF32,
           .per_row = 1,
           .args_offset = offsetof(NormQuantizeArgs, scale)},
          {.name = "sum",
           .role = Role::kOutput,
           .type = ElementType::kI32,
           .per_row = 1,
           .args_offset = offsetof(NormQuantizeArgs, sum)},
          {.name = "normed",
           .role = Role::kOutput,
           .type = ElementType::kF32,
           .per_row = spec.k,
           .args_offset = offsetof(NormQuantizeArgs, normed),
           .optional = true}};
}

Status NormQuantize::validate(const NormQuantizeSpec& spec) {
  return check_dimension(name(spec), "k", spec.k);
}

std::string NormQuantize::name(const NormQuantizeSpec& spec) {
  return fmt::format("normquant_f32_i8_k{}_eps{}", spec.k, spec.eps);
}

NormQuantizeSpec NormQuantize::parse(NameReader& reader) {
  NormQuantizeSpec spec;
  reader.expect("f32");
  reader.expect("i8");
  spec.k = reader.number<int64_t>("k");
  spec.eps = reader.number<float>("eps");
  return spec;
}

Work NormQuantize::work(const NormQuantizeSpec& spec, int64_t rows, int64_t positions) {
  return {.bytes_read = bytes_read(operands(spec), rows, positions), .macs = 3 * rows * spec.k};
}

std::vector<NormQuantizeSpec> NormQuantize::samples() {
  std::vector<NormQuantizeSpec> specs;
  for (const int64_t k : kSampleWidths) specs.push_back({.k = k, .eps = 1e-5f});
  return specs;
}

std::vector<proof::CallCase> NormQuantize::cases(const NormQuantizeSpec&) {
  std::vector<proof::CallCase> cases;
  for (const float magnitude : {1.0f, 1e-20f, 1e15f, 0.0f}) {
    for (const bool normed : {true, false}) {
      cases.push_back(
          {.name = fmt::format("values up to {}{}", magnitude, normed ? "" : ", no taps"),
           .magnitude = magnitude,
           .optional = normed});
    }
  }
  return cases;
}

void NormQuantize::prepare(const NormQuantizeSpec&, const proof::CallCase&, Random&,
                           proof::OperandBuffers&, Args&) {}

}  // namespace bitnetc
