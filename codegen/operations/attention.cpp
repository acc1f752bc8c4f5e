#include "codegen/operations/attention.h"

#include "codegen/operations/spec_name.h"
#include "codegen/proof/random.h"
#include "runtime/buffer.h"

namespace bitnetc {

using Attention = Operation<AttentionSpec>;

std::vector<Operand> Attention::operands(const AttentionSpec& spec) {
  return {{.name = "q",
           .role = Role::kInput,
           .type = ElementType::kF32,
           .per_row = spec.head_dim,
           .args_offset = offsetof(AttentionArgs, q)},
          {.name = "k_cache",
           .role = Role::kCache,
           .type = ElementType::kF16,
           .per_position = spec.head_dim,
           .args_offset = offsetof(AttentionArgs, k_cache)},
          {.name = "v_cache",
           .role = Role::kCache,
           .type = ElementType::kF16,
           .per_position = spec.head_dim,
           .args_offset = offsetof(AttentionArgs, v_cache)},
          {.name = "out",
           .role = Role::kOutput,
           .type = ElementType::kF32,
           .per_row = spec.head_dim,
           .args_offset = offsetof(AttentionArgs, out)},
          {.name = "scratch",
           .role = Role::kScratch,
           .type = ElementType::kF32,
           .per_worker = true,
           .per_position = 1,
           .args_offset = offsetof(AttentionArgs, scratch)}};
}

Status Attention::validate(const AttentionSpec& spec) {
  return check_dimension(name(spec), "d", spec.head_dim);
}

std::string Attention::name(const AttentionSpec& spec) {
  return fmt::format("attention_f32_d{}_scale{}", spec.head_dim, spec.scale);
}

AttentionSpec Attention::parse(NameReader& reader) {
  AttentionSpec spec;
  reader.expect("f32");
  spec.head_dim = reader.number<int64_t>("d");
  spec.scale = reader.number<float>("scale");
  return spec;
}

Work Attention::work(const AttentionSpec& spec, int64_t rows, int64_t positions) {
  return {.bytes_read = bytes_read(operands(spec), rows, positions),
          .macs = 2 * rows * positions * spec.head_dim};
}

std::vector<AttentionSpec> Attention::samples() {
  std::vector<AttentionSpec> specs;
  for (const int64_t head_dim : {1, 2, 7, 8, 16, 33, 64, 80, 100, 128, 256})
    specs.push_back({.head_dim = head_dim, .scale = 0.088388346f});
  return specs;
}

// One key, the edges of a block of keys, and the edges of a chunk of 256 positions.
std::vector<proof::CallCase> Attention::cases(const AttentionSpec&) {
  std::vector<proof::CallCase> cases;
  for (const int64_t position : {0, 15, 16, 255, 300}) {
    cases.push_back({.name = fmt::format("position {}", position),
                     .first = position,
                     .positions = 512,
                     .magnitude = 4});
  }
  return cases;
}

void Attention::prepare(const AttentionSpec&, const proof::CallCase& call_case, proof::Random&,
                        proof::OperandBuffers&, Args& args) {
  args.position = call_case.first;
}

}  // namespace bitnetc
