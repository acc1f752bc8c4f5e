#include "codegen/operations/quantize.h"

#include "codegen/operations/spec_name.h"
#include "runtime/buffer.h"

namespace bitnetc {

int64_t QuantizeSpec::padded_k() const {
  return static_cast<int64_t>(round_up(static_cast<size_t>(k), kQuantPad));
}

using Quantize = Operation<QuantizeSpec>;

std::vector<Operand> Quantize::operands(const QuantizeSpec& spec) {
  return {{.name = "x",
           .role = Role::kInput,
           .type = ElementType::kF32,
           .per_row = spec.k,
           .args_offset = offsetof(QuantizeArgs, x)},
          {.name = "absmax",
           .role = Role::kInput,
           .type = ElementType::kF32,
           .per_row = 1,
           .per_worker = true,
           .args_offset = offsetof(QuantizeArgs, absmax)},
          {.name = "q",
           .role = Role::kOutput,
           .type = ElementType::kI8,
           .per_row = spec.padded_k(),
           .args_offset = offsetof(QuantizeArgs, q)},
          {.name = "scale",
           .role = Role::kOutput,
           .type = ElementType::kF32,
           .per_row = 1,
           .args_offset = offsetof(QuantizeArgs, scale)},
          {.name = "sum",
           .role = Role::kOutput,
           .type = ElementType::kI32,
           .per_row = 1,
           .args_offset = offsetof(QuantizeArgs, sum)}};
}

Status Quantize::validate(const QuantizeSpec& spec) {
  return check_dimension(name(spec), "k", spec.k);
}

std::string Quantize::name(const QuantizeSpec& spec) {
  return fmt::format("quant_f32_i8_k{}", spec.k);
}

QuantizeSpec Quantize::parse(NameReader& reader) {
  reader.expect("f32");
  reader.expect("i8");
  return {.k = reader.number<int64_t>("k")};
}

Work Quantize::work(const QuantizeSpec& spec, int64_t rows, int64_t positions) {
  return {.bytes_read = bytes_read(operands(spec), rows, positions), .macs = rows * spec.k};
}

}  // namespace bitnetc
