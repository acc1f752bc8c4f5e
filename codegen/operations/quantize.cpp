#include "codegen/operations/quantize.h"

#include <algorithm>
#include <cmath>

#include "codegen/operations/spec_name.h"
#include "runtime/random.h"
#include "runtime/rounding.h"

namespace bitnetc {

int64_t QuantizeSpec::padded_k() const {
  return round_up(k, kQuantPad);
}

using Quantize = Operation<QuantizeSpec>;

std::vector<Operand> Quantize::operands(const QuantizeSpec& spec) {
  std::vector<Operand> list = {{.name = "x",
                                .role = Role::kInput,
                                .type = ElementType::kF32,
                                .per_row = spec.k,
                                .args_offset = offsetof(QuantizeArgs, x)},
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
  if (!spec.find_absmax)
    list.push_back({.name = "absmax",
                    .role = Role::kInput,
                    .type = ElementType::kF32,
                    .per_row = 1,
                    .per_worker = true,
                    .args_offset = offsetof(QuantizeArgs, absmax)});
  return list;
}

Status Quantize::validate(const QuantizeSpec& spec) {
  return check_dimension(name(spec), "k", spec.k);
}

std::string Quantize::name(const QuantizeSpec& spec) {
  return fmt::format("quant_f32_i8_k{}{}", spec.k, spec.find_absmax ? "_absmax" : "");
}

QuantizeSpec Quantize::parse(NameReader& reader) {
  reader.expect("f32");
  reader.expect("i8");
  QuantizeSpec spec{.k = reader.number<int64_t>("k")};
  spec.find_absmax = reader.take("absmax");
  return spec;
}

Work Quantize::work(const QuantizeSpec& spec, int64_t rows, int64_t positions) {
  return {.bytes_read = bytes_read(operands(spec), rows, positions), .macs = rows * spec.k};
}

std::vector<QuantizeSpec> Quantize::samples() {
  std::vector<QuantizeSpec> specs;
  for (const bool find_absmax : {false, true})
    for (const int64_t k : kSampleWidths) specs.push_back({.k = k, .find_absmax = find_absmax});
  return specs;
}

std::vector<proof::CallCase> Quantize::cases(const QuantizeSpec& spec) {
  std::vector<proof::CallCase> cases;
  for (const float magnitude : {1.0f, 1e-20f, 1e15f, 0.0f}) {
    for (const int64_t workers : {1, 3}) {
      if (spec.find_absmax && workers > 1) continue;
      cases.push_back({.name = fmt::format("values up to {} of {} workers", magnitude, workers),
                       .workers = workers,
                       .magnitude = magnitude});
    }
  }
  return cases;
}

// Every worker has seen its share of the row.
void Quantize::prepare(const QuantizeSpec& spec, const proof::CallCase& call_case, Random&,
                       proof::OperandBuffers& buffers, Args& args) {
  if (spec.find_absmax) return;
  const auto x = buffers.get<float>("x"), absmax = buffers.get<float>("absmax");
  std::fill(absmax.begin(), absmax.end(), 0.0f);
  for (int64_t i = 0; i < spec.k; ++i) {
    float& largest = absmax[static_cast<size_t>(i % call_case.workers)];
    largest = std::max(largest, std::fabs(x[static_cast<size_t>(i)]));
  }
  args.absmax_count = call_case.workers;
  args.absmax_stride = 1;
}

}  // namespace bitnetc
