#include "codegen/operations/matmul.h"

#include "codegen/operations/spec_name.h"
#include "runtime/rounding.h"

namespace bitnetc {

std::string_view epilogue_name(Epilogue epilogue) {
  switch (epilogue) {
    case Epilogue::kScale: return "scale";
    case Epilogue::kResidual: return "residual";
    case Epilogue::kRelu2Mul: return "relu2mul";
    case Epilogue::kSiluMul: return "silumul";
    case Epilogue::kGeluMul: return "gelumul";
  }
  return "?";
}

int64_t MatmulSpec::padded_k() const {
  return round_up(k, kQuantPad);
}

using Matmul = Operation<MatmulSpec>;

std::vector<Operand> Matmul::operands(const MatmulSpec& spec) {
  std::vector<Operand> operands = {{.name = "x",
                                    .role = Role::kInput,
                                    .type = ElementType::kI8,
                                    .per_row = spec.padded_k(),
                                    .args_offset = offsetof(MatmulArgs, x)},
                                   {.name = "x_scale",
                                    .role = Role::kInput,
                                    .type = ElementType::kF32,
                                    .per_row = 1,
                                    .args_offset = offsetof(MatmulArgs, x_scale)},
                                   {.name = "x_sum",
                                    .role = Role::kInput,
                                    .type = ElementType::kI32,
                                    .per_row = 1,
                                    .args_offset = offsetof(MatmulArgs, x_sum)},
                                   {.name = "w",
                                    .role = Role::kWeight,
                                    .type = ElementType::kU8,
                                    .fixed = spec.weight_layout().total_bytes(),
                                    .args_offset = offsetof(MatmulArgs, w)},
                                   {.name = "tile_scale",
                                    .role = Role::kWeight,
                                    .type = ElementType::kF32,
                                    .fixed = spec.weight_layout().tiles(),
                                    .args_offset = offsetof(MatmulArgs, tile_scale)},
                                   {.name = "y",
                                    .role = Role::kOutput,
                                    .type = ElementType::kF32,
                                    .per_row = spec.output_columns(),
                                    .args_offset = offsetof(MatmulArgs, y)}};
  // How large depends on the form that the kernel wants: TablesSpec::table_bytes.
  if (spec.layout != LayoutId::kI2S) {
    operands.push_back({.name = "tables",
                        .role = Role::kScratch,
                        .type = ElementType::kU8,
                        .fixed = kUnknownExtent,
                        .args_offset = offsetof(MatmulArgs, tables),
                        .optional = true});
  }
  if (spec.epilogue == Epilogue::kResidual) {
    operands.push_back({.name = "residual",
                        .role = Role::kInput,
                        .type = ElementType::kF32,
                        .per_row = spec.output_columns(),
                        .args_offset = offsetof(MatmulArgs, residual)});
  }
  // The executor sets it to zero before the step; every call then raises it.
  if (spec.row_absmax) {
    operands.push_back({.name = "row_absmax",
                        .role = Role::kOutput,
                        .type = ElementType::kF32,
                        .per_row = 1,
                        .per_worker = true,
                        .args_offset = offsetof(MatmulArgs, row_absmax)});
  }
  return operands;
}

Status Matmul::validate(const MatmulSpec& spec) {
  BITNETC_RETURN_IF_ERROR(check_dimension(name(spec), "n", spec.n));
  BITNETC_RETURN_IF_ERROR(check_dimension(name(spec), "k", spec.k));
  const int64_t multiple = spec.tiles_per_unit() * kTileRows;
  if (spec.n % multiple != 0) {
    return make_error(StatusCode::kInvalidArgument, "{}: n = {} is not a multiple of {}",
                      name(spec), spec.n, multiple);
  }
  if (spec.m != kAnyM && (spec.m < 1 || spec.m > kMaxSmallM)) {
    return make_error(StatusCode::kInvalidArgument, "{}: m = {}, expected 1..{} or N", name(spec),
                      spec.m, kMaxSmallM);
  }
  return {};
}

std::string Matmul::name(const MatmulSpec& spec) {
  const std::string m = spec.m == kAnyM ? "N" : fmt::to_string(spec.m);
  return fmt::format("matmul_i8_{}_f32_n{}_k{}_m{}_{}{}", layout_name(spec.layout), spec.n, spec.k,
                     m, epilogue_name(spec.epilogue), spec.row_absmax ? "_rowmax" : "");
}

MatmulSpec Matmul::parse(NameReader& reader) {
  MatmulSpec spec;
  reader.expect("i8");
  spec.layout = reader.layout();
  reader.expect("f32");
  spec.n = reader.number<int64_t>("n");
  spec.k = reader.number<int64_t>("k");
  spec.m = reader.number_or<int>("m", "N", kAnyM);
  const std::string_view word = reader.next();
  for (Epilogue epilogue : kEpilogues) {
    if (word == epilogue_name(epilogue)) {
      spec.epilogue = epilogue;
      spec.row_absmax = reader.take("rowmax");
      return spec;
    }
  }
  reader.fail("scale, residual, relu2mul, silumul or gelumul");
  return spec;
}

Work Matmul::work(const MatmulSpec& spec, int64_t rows, int64_t positions) {
  return {.bytes_read = bytes_read(operands(spec), rows, positions),
          .macs = rows * spec.n * spec.k};
}

}  // namespace bitnetc
