#include "codegen/operations/sparse_up.h"

#include <algorithm>

#include "codegen/operations/neuron_case.h"
#include "codegen/operations/spec_name.h"
#include "runtime/rounding.h"

namespace bitnetc {

int64_t SparseUpSpec::padded_k() const {
  return round_up(k, kQuantPad);
}

using SparseUp = Operation<SparseUpSpec>;

std::vector<Operand> SparseUp::operands(const SparseUpSpec& spec) {
  return {{.name = "x",
           .role = Role::kInput,
           .type = ElementType::kI8,
           .per_row = spec.padded_k(),
           .args_offset = offsetof(SparseUpArgs, x)},
          {.name = "x_scale",
           .role = Role::kInput,
           .type = ElementType::kF32,
           .per_row = 1,
           .args_offset = offsetof(SparseUpArgs, x_scale)},
          {.name = "x_sum",
           .role = Role::kInput,
           .type = ElementType::kI32,
           .per_row = 1,
           .args_offset = offsetof(SparseUpArgs, x_sum)},
          {.name = "gate",
           .role = Role::kInput,
           .type = ElementType::kF32,
           .per_row = spec.n,
           .args_offset = offsetof(SparseUpArgs, gate)},
          {.name = "w",
           .role = Role::kWeight,
           .type = ElementType::kU8,
           .fixed = spec.weights().total_bytes(),
           .args_offset = offsetof(SparseUpArgs, w)},
          {.name = "tile_scale",
           .role = Role::kWeight,
           .type = ElementType::kF32,
           .fixed = spec.tiles(),
           .args_offset = offsetof(SparseUpArgs, tile_scale)},
          {.name = "y",
           .role = Role::kOutput,
           .type = ElementType::kF32,
           .per_row = spec.n,
           .args_offset = offsetof(SparseUpArgs, y)},
          {.name = "neurons_read",
           .role = Role::kOutput,
           .type = ElementType::kI32,
           .fixed = 1,
           .args_offset = offsetof(SparseUpArgs, neurons_read),
           .optional = true}};
}

Status SparseUp::validate(const SparseUpSpec& spec) {
  BITNETC_RETURN_IF_ERROR(check_dimension(name(spec), "n", spec.n));
  BITNETC_RETURN_IF_ERROR(check_dimension(name(spec), "k", spec.k));
  return check_neurons(name(spec), spec.weights(), spec.n);
}

std::string SparseUp::name(const SparseUpSpec& spec) {
  return fmt::format("sparseup_i8_f32_n{}_k{}", spec.n, spec.k);
}

SparseUpSpec SparseUp::parse(NameReader& reader) {
  SparseUpSpec spec;
  reader.expect("i8");
  reader.expect("f32");
  spec.n = reader.number<int64_t>("n");
  spec.k = reader.number<int64_t>("k");
  return spec;
}

Work SparseUp::work(const SparseUpSpec& spec, int64_t rows, int64_t positions) {
  return {.bytes_read = bytes_read(operands(spec), rows, positions),
          .macs = rows * spec.n * spec.k};
}

std::vector<SparseUpSpec> SparseUp::samples() {
  std::vector<SparseUpSpec> specs;
  for (const int64_t k : kSampleWidths) specs.push_back({.n = 7 * kTileRows, .k = k});
  specs.push_back({.n = kTileRows, .k = 2560});
  return specs;
}

std::vector<proof::CallCase> SparseUp::cases(const SparseUpSpec& spec) {
  return neuron_cases(spec.tiles());
}

void SparseUp::prepare(const SparseUpSpec& spec, const proof::CallCase& call_case, Random& random,
                       proof::OperandBuffers& buffers, Args& args) {
  finish_row(buffers.get<int8_t>("x"), spec.k, buffers.get<int32_t>("x_sum")[0]);
  make_codes(buffers.get<uint8_t>("w"));
  for (float& gate : buffers.get<float>("gate")) {
    const bool is_active = random.uniform(0, 100) < static_cast<float>(call_case.percent_active);
    if (is_active != (gate > 0)) gate = is_active && gate == 0 ? 1.0f : -gate;
  }
  args.tile_begin = call_case.first;
  args.tile_end = spec.tiles();
}

}  // namespace bitnetc
