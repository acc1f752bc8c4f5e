#include "codegen/operations/rope_append.h"

#include "codegen/operations/spec_name.h"
#include "runtime/buffer.h"

namespace bitnetc {

int64_t RopeAppendSpec::k_offset() const {
  return static_cast<int64_t>(round_up(static_cast<size_t>(q_heads * head_dim), kTileRows));
}

int64_t RopeAppendSpec::v_offset() const {
  return k_offset() +
         static_cast<int64_t>(round_up(static_cast<size_t>(kv_heads * head_dim), kTileRows));
}

int64_t RopeAppendSpec::qkv_columns() const {
  return v_offset() +
         static_cast<int64_t>(round_up(static_cast<size_t>(kv_heads * head_dim), kTileRows));
}

using RopeAppend = Operation<RopeAppendSpec>;

std::vector<Operand> RopeAppend::operands(const RopeAppendSpec& spec) {
  return {{.name = "qkv",
           .role = Role::kInOut,
           .type = ElementType::kF32,
           .per_row = spec.qkv_columns(),
           .args_offset = offsetof(RopeAppendArgs, qkv)},
          {.name = "cos",
           .role = Role::kInput,
           .type = ElementType::kF32,
           .per_row = spec.head_dim / 2,
           .args_offset = offsetof(RopeAppendArgs, cos)},
          {.name = "sin",
           .role = Role::kInput,
           .type = ElementType::kF32,
           .per_row = spec.head_dim / 2,
           .args_offset = offsetof(RopeAppendArgs, sin)},
          {.name = "k_cache",
           .role = Role::kCache,
           .type = ElementType::kF16,
           .per_position = spec.kv_heads * spec.head_dim,
           .args_offset = offsetof(RopeAppendArgs, k_cache)},
          {.name = "v_cache",
           .role = Role::kCache,
           .type = ElementType::kF16,
           .per_position = spec.kv_heads * spec.head_dim,
           .args_offset = offsetof(RopeAppendArgs, v_cache)}};
}

Status RopeAppend::validate(const RopeAppendSpec& spec) {
  BITNETC_RETURN_IF_ERROR(check_dimension(name(spec), "q", spec.q_heads));
  BITNETC_RETURN_IF_ERROR(check_dimension(name(spec), "kv", spec.kv_heads));
  BITNETC_RETURN_IF_ERROR(check_dimension(name(spec), "d", spec.head_dim));
  if (spec.head_dim % 2 != 0) {
    return make_error(StatusCode::kInvalidArgument, "{}: d = {} is odd; RoPE rotates halves",
                      name(spec), spec.head_dim);
  }
  return {};
}

std::string RopeAppend::name(const RopeAppendSpec& spec) {
  return fmt::format("ropeappend_f32_q{}_kv{}_d{}", spec.q_heads, spec.kv_heads, spec.head_dim);
}

RopeAppendSpec RopeAppend::parse(NameReader& reader) {
  RopeAppendSpec spec;
  reader.expect("f32");
  spec.q_heads = reader.number<int64_t>("q");
  spec.kv_heads = reader.number<int64_t>("kv");
  spec.head_dim = reader.number<int64_t>("d");
  return spec;
}

Work RopeAppend::work(const RopeAppendSpec& spec, int64_t rows, int64_t positions) {
  // Appending writes the cache and reads none of it.
  (void)positions;
  return {.bytes_read = bytes_read(operands(spec), rows),
          .macs = 2 * rows * (spec.q_heads + spec.kv_heads) * spec.head_dim};
}

}  // namespace bitnetc
