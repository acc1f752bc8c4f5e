#include "codegen/operations/glu.h"

#include "codegen/operations/spec_name.h"
#include "runtime/random.h"

namespace bitnetc {

using Glu = Operation<GluSpec>;

std::vector<Operand> Glu::operands(const GluSpec& spec) {
  return {{.name = "gate",
           .role = Role::kInput,
           .type = ElementType::kF32,
           .per_row = spec.n,
           .args_offset = offsetof(GluArgs, gate)},
          {.name = "up",
           .role = Role::kInput,
           .type = ElementType::kF32,
           .per_row = spec.n,
           .args_offset = offsetof(GluArgs, up)},
          {.name = "y",
           .role = Role::kOutput,
           .type = ElementType::kF32,
           .per_row = spec.n,
           .args_offset = offsetof(GluArgs, y)}};
}

Status Glu::validate(const GluSpec& spec) {
  if (!is_gated(spec.epilogue))
    return make_error(StatusCode::kInvalidArgument, "{}: {} has no gate", name(spec),
                      epilogue_name(spec.epilogue));
  return check_dimension(name(spec), "n", spec.n);
}

std::string Glu::name(const GluSpec& spec) {
  return fmt::format("glu_f32_{}_n{}", epilogue_name(spec.epilogue), spec.n);
}

GluSpec Glu::parse(NameReader& reader) {
  GluSpec spec;
  reader.expect("f32");
  const std::string_view word = reader.next();
  for (const Epilogue epilogue : kEpilogues) {
    if (word != epilogue_name(epilogue)) continue;
    spec.epilogue = epilogue;
    spec.n = reader.number<int64_t>("n");
    return spec;
  }
  reader.fail("relu2mul, silumul or gelumul");
  return spec;
}

Work Glu::work(const GluSpec& spec, int64_t rows, int64_t positions) {
  return {.bytes_read = bytes_read(operands(spec), rows, positions), .macs = 2 * rows * spec.n};
}

std::vector<GluSpec> Glu::samples() {
  std::vector<GluSpec> specs;
  for (const Epilogue epilogue : kEpilogues) {
    if (!is_gated(epilogue)) continue;
    for (const int64_t n : kSampleWidths) specs.push_back({.n = n, .epilogue = epilogue});
  }
  return specs;
}

std::vector<proof::CallCase> Glu::cases(const GluSpec&) {
  std::vector<proof::CallCase> cases;
  for (const float magnitude : {2.0f, 100.0f, 1e-20f, 1e15f, 0.0f})
    cases.push_back({.name = fmt::format("values up to {}", magnitude), .magnitude = magnitude});
  return cases;
}

void Glu::prepare(const GluSpec&, const proof::CallCase&, Random&, proof::OperandBuffers&, Args&) {}

}  // namespace bitnetc
