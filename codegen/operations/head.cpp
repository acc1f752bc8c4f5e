#include "codegen/operations/head.h"

#include "codegen/operations/spec_name.h"
#include "runtime/buffer.h"

namespace bitnetc {

using Head = Operation<HeadSpec>;

std::vector<Operand> Head::operands(const HeadSpec& spec) {
  return {{.name = "hidden",
           .role = Role::kInput,
           .type = ElementType::kF32,
           .per_row = spec.k,
           .args_offset = offsetof(HeadArgs, hidden)},
          {.name = "table",
           .role = Role::kWeight,
           .type = element_type(spec.type),
           .fixed = spec.n * spec.k,
           .args_offset = offsetof(HeadArgs, table)},
          {.name = "logits",
           .role = Role::kOutput,
           .type = ElementType::kF32,
           .per_row = spec.n,
           .args_offset = offsetof(HeadArgs, logits)}};
}

Status Head::validate(const HeadSpec& spec) {
  BITNETC_RETURN_IF_ERROR(check_dimension(name(spec), "n", spec.n));
  return check_dimension(name(spec), "k", spec.k);
}

std::string Head::name(const HeadSpec& spec) {
  return fmt::format("head_f32_{}_n{}_k{}", float_type_name(spec.type), spec.n, spec.k);
}

HeadSpec Head::parse(NameReader& reader) {
  HeadSpec spec;
  reader.expect("f32");
  spec.type = reader.float_type();
  spec.n = reader.number<int64_t>("n");
  spec.k = reader.number<int64_t>("k");
  return spec;
}

Work Head::work(const HeadSpec& spec, int64_t rows, int64_t positions) {
  return {.bytes_read = bytes_read(operands(spec), rows, positions),
          .macs = rows * spec.n * spec.k};
}

}  // namespace bitnetc
