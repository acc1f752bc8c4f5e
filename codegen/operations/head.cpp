#include "codegen/operations/head.h"

#include <algorithm>

#include "codegen/operations/spec_name.h"
#include "runtime/random.h"

namespace bitnetc {
namespace {

constexpr int64_t kCaseRows = 7;  // rows of the table per case

}  // namespace

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

std::vector<HeadSpec> Head::samples() {
  std::vector<HeadSpec> specs;
  for (const FloatType type : kFloatTypes)
    for (const int64_t k : kSampleWidths) specs.push_back({.n = 37, .k = k, .type = type});
  return specs;
}

// Rows at both ends of the table.
std::vector<proof::CallCase> Head::cases(const HeadSpec& spec) {
  std::vector<proof::CallCase> cases;
  for (const int64_t rows : {int64_t{1}, int64_t{3}, int64_t{5}, kMaxHeadRows}) {
    cases.push_back({.name = fmt::format("{} rows, first of the table", rows),
                     .rows = rows,
                     .at_start = rows == 1});
    cases.push_back({.name = fmt::format("{} rows, last of the table", rows),
                     .rows = rows,
                     .first = std::max<int64_t>(0, spec.n - kCaseRows),
                     .at_start = rows == kMaxHeadRows});
  }
  return cases;
}

void Head::prepare(const HeadSpec& spec, const proof::CallCase& call_case, Random&,
                   proof::OperandBuffers&, Args& args) {
  args.hidden_stride = spec.k;
  args.logits_stride = spec.n;
  args.rows = call_case.rows;
  args.row_begin = call_case.first;
  args.row_end = std::min(spec.n, args.row_begin + kCaseRows);
}

}  // namespace bitnetc
