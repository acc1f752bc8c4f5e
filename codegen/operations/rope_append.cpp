#include "codegen/operations/rope_append.h"

#include "codegen/operations/spec_name.h"
#include "runtime/random.h"
#include "runtime/rounding.h"

namespace bitnetc {

KvLayout RopeAppendSpec::layout() const {
  return {.kv_heads = kv_heads, .head_dim = head_dim, .type = kv_type};
}

int64_t RopeAppendSpec::k_offset() const {
  return round_up(q_heads * head_dim, kTileRows);
}

int64_t RopeAppendSpec::v_offset() const {
  return k_offset() + round_up(kv_heads * head_dim, kTileRows);
}

int64_t RopeAppendSpec::qkv_columns() const {
  return v_offset() + round_up(kv_heads * head_dim, kTileRows);
}

using RopeAppend = Operation<RopeAppendSpec>;

std::vector<Operand> RopeAppend::operands(const RopeAppendSpec& spec) {
  const KvLayout layout = spec.layout();
  // Of keys, and of values.
  const int64_t cells_per_position = layout.position_bytes() / 2 / layout.cell_bytes();
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
           .type = kv_cell_type(spec.kv_type),
           .per_position = cells_per_position,
           .args_offset = offsetof(RopeAppendArgs, k_cache)},
          {.name = "v_cache",
           .role = Role::kCache,
           .type = kv_cell_type(spec.kv_type),
           .per_position = cells_per_position,
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
  return fmt::format("ropeappend_f32_q{}_kv{}_d{}{}", spec.q_heads, spec.kv_heads, spec.head_dim,
                     kv_type_suffix(spec.kv_type));
}

RopeAppendSpec RopeAppend::parse(NameReader& reader) {
  RopeAppendSpec spec;
  reader.expect("f32");
  spec.q_heads = reader.number<int64_t>("q");
  spec.kv_heads = reader.number<int64_t>("kv");
  spec.head_dim = reader.number<int64_t>("d");
  spec.kv_type = reader.kv_type();
  return spec;
}

Work RopeAppend::work(const RopeAppendSpec& spec, int64_t rows, int64_t positions) {
  // Appending writes the cache and reads none of it.
  (void)positions;
  return {.bytes_read = bytes_read(operands(spec), rows),
          .macs = 2 * rows * (spec.q_heads + spec.kv_heads) * spec.head_dim};
}

std::vector<RopeAppendSpec> RopeAppend::samples() {
  std::vector<RopeAppendSpec> specs;
  for (const int64_t head_dim : {2, 4, 6, 14, 16, 18, 32, 50, 64, 80, 100, 128, 256})
    specs.push_back({.q_heads = 3, .kv_heads = 2, .head_dim = head_dim});
  specs.push_back({.q_heads = 20, .kv_heads = 5, .head_dim = 128});
  for (const KvType type : {KvType::kF32, KvType::kI8})
    for (const int64_t head_dim : {2, 6, 14, 16, 50, 64, 100, 128})
      specs.push_back({.q_heads = 3, .kv_heads = 2, .head_dim = head_dim, .kv_type = type});
  return specs;
}

std::vector<proof::CallCase> RopeAppend::cases(const RopeAppendSpec&) {
  std::vector<proof::CallCase> cases;
  for (const int64_t position :
       {int64_t{0}, KvLayout::kKeyBlock + 3, KvLayout::kPagePositions - 1}) {
    cases.push_back({.name = fmt::format("position {}", position),
                     .first = position,
                     .positions = KvLayout::kPagePositions,
                     .magnitude = 4});
  }
  // Past the largest fp16, near the largest fp32, and less than the least measure of a row.
  for (const float magnitude : {1e6f, 1e37f, 1e-6f, 0.0f})
    cases.push_back({.name = fmt::format("values up to {}", magnitude),
                     .first = KvLayout::kKeyBlock,
                     .positions = KvLayout::kPagePositions,
                     .magnitude = magnitude});
  cases.push_back({.name = "some heads",
                   .first = KvLayout::kKeyBlock,
                   .positions = KvLayout::kPagePositions,
                   .magnitude = 4,
                   .some_heads = true});
  return cases;
}

void RopeAppend::prepare(const RopeAppendSpec& spec, const proof::CallCase& call_case,
                         Random& random, proof::OperandBuffers& buffers, Args& args) {
  for (const char* name : {"cos", "sin"})
    for (float& value : buffers.get<float>(name)) value = random.uniform(-1, 1);
  args.position = call_case.first;
  args.head_stride = spec.layout().head_words();
  args.q_begin = call_case.some_heads ? spec.q_heads / 2 : 0;
  args.q_end = spec.q_heads;
  args.kv_begin = 0;
  args.kv_end = call_case.some_heads ? ceil_div(spec.kv_heads, int64_t{2}) : spec.kv_heads;
}

}  // namespace bitnetc
