#include "codegen/operations/sparse_down.h"

#include <algorithm>

#include "codegen/operations/neuron_case.h"
#include "codegen/operations/spec_name.h"
#include "runtime/rounding.h"

namespace bitnetc {

int64_t SparseDownSpec::padded_k() const {
  return round_up(k, kQuantPad);
}

using SparseDown = Operation<SparseDownSpec>;

std::vector<Operand> SparseDown::operands(const SparseDownSpec& spec) {
  std::vector<Operand> operands = {{.name = "x",
                                    .role = Role::kInput,
                                    .type = ElementType::kI8,
                                    .per_row = spec.padded_k(),
                                    .args_offset = offsetof(SparseDownArgs, x)},
                                   {.name = "x_scale",
                                    .role = Role::kInput,
                                    .type = ElementType::kF32,
                                    .per_row = 1,
                                    .args_offset = offsetof(SparseDownArgs, x_scale)},
                                   {.name = "x_sum",
                                    .role = Role::kInput,
                                    .type = ElementType::kI32,
                                    .per_row = 1,
                                    .args_offset = offsetof(SparseDownArgs, x_sum)},
                                   {.name = "w",
                                    .role = Role::kWeight,
                                    .type = ElementType::kU8,
                                    .fixed = spec.weights().total_bytes(),
                                    .args_offset = offsetof(SparseDownArgs, w)},
                                   {.name = "tile_scale",
                                    .role = Role::kWeight,
                                    .type = ElementType::kF32,
                                    .fixed = spec.tiles(),
                                    .args_offset = offsetof(SparseDownArgs, tile_scale)},
                                   {.name = "y",
                                    .role = Role::kOutput,
                                    .type = ElementType::kF32,
                                    .per_row = spec.n,
                                    .args_offset = offsetof(SparseDownArgs, y)},
                                   {.name = "neurons_read",
                                    .role = Role::kOutput,
                                    .type = ElementType::kI32,
                                    .fixed = 1,
                                    .args_offset = offsetof(SparseDownArgs, neurons_read),
                                    .optional = true}};
  if (spec.residual) {
    operands.push_back({.name = "residual",
                        .role = Role::kInput,
                        .type = ElementType::kF32,
                        .per_row = spec.n,
                        .args_offset = offsetof(SparseDownArgs, residual)});
  }
  return operands;
}

Status SparseDown::validate(const SparseDownSpec& spec) {
  BITNETC_RETURN_IF_ERROR(check_dimension(name(spec), "n", spec.n));
  BITNETC_RETURN_IF_ERROR(check_dimension(name(spec), "k", spec.k));
  return check_neurons(name(spec), spec.weights(), spec.n);
}

std::string SparseDown::name(const SparseDownSpec& spec) {
  return fmt::format("sparsedown_i8_f32_n{}_k{}{}", spec.n, spec.k,
                     spec.residual ? "_residual" : "");
}

SparseDownSpec SparseDown::parse(NameReader& reader) {
  SparseDownSpec spec;
  reader.expect("i8");
  reader.expect("f32");
  spec.n = reader.number<int64_t>("n");
  spec.k = reader.number<int64_t>("k");
  spec.residual = reader.take("residual");
  return spec;
}

Work SparseDown::work(const SparseDownSpec& spec, int64_t rows, int64_t positions) {
  return {.bytes_read = bytes_read(operands(spec), rows, positions),
          .macs = rows * spec.n * spec.k};
}

std::vector<SparseDownSpec> SparseDown::samples() {
  std::vector<SparseDownSpec> specs;
  for (const int64_t k : kSampleWidths)
    specs.push_back({.n = 3 * kTileRows, .k = k, .residual = k % 2 == 0});
  for (const int64_t n : {kTileRows, 15 * kTileRows, 16 * kTileRows, 17 * kTileRows, 640})
    specs.push_back({.n = n, .k = 150, .residual = n == 640});
  return specs;
}

std::vector<proof::CallCase> SparseDown::cases(const SparseDownSpec& spec) {
  return neuron_cases(spec.chunks());
}

void SparseDown::prepare(const SparseDownSpec& spec, const proof::CallCase& call_case,
                         Random& random, proof::OperandBuffers& buffers, Args& args) {
  const std::span<int8_t> x = buffers.get<int8_t>("x");
  for (int8_t& value : x) {
    const bool is_active = random.uniform(0, 100) < static_cast<float>(call_case.percent_active);
    if (!is_active) value = 0;
    if (is_active && value == 0) value = 1;
  }
  finish_row(x, spec.k, buffers.get<int32_t>("x_sum")[0]);
  make_codes(buffers.get<uint8_t>("w"));
  args.chunk_begin = call_case.first;
  args.chunk_end = spec.chunks();
}

}  // namespace bitnetc
