#include "codegen/operations/tables.h"

#include <algorithm>

#include "codegen/layout/word_columns.h"
#include "codegen/operations/spec_name.h"
#include "runtime/random.h"
#include "runtime/rounding.h"

namespace bitnetc {

std::string_view table_form_name(TableForm form) {
  switch (form) {
    case TableForm::kNone: return "none";
    case TableForm::kWords: return "words";
    case TableForm::kBytes: return "bytes";
  }
  return "?";
}

int64_t TablesSpec::field_bytes() const {
  constexpr int64_t kHalfTable = 32;  // 16 sums of two bytes
  return form == TableForm::kWords && layout != LayoutId::kTl1 ? 2 * kHalfTable : kHalfTable;
}

int64_t TablesSpec::blocks() const {
  return word_format(layout).blocks(k);
}

int64_t TablesSpec::block_bytes() const {
  const WordFormat& format = word_format(layout);
  return format.words * format.fields * field_bytes();
}

using Tables = Operation<TablesSpec>;

std::vector<Operand> Tables::operands(const TablesSpec& spec) {
  return {{.name = "x",
           .role = Role::kInput,
           .type = ElementType::kI8,
           .per_row = round_up(spec.k, kQuantPad),
           .args_offset = offsetof(BuildTablesArgs, x)},
          {.name = "tables",
           .role = Role::kOutput,
           .type = ElementType::kU8,
           .per_row = spec.table_bytes(),
           .args_offset = offsetof(BuildTablesArgs, tables)}};
}

Status Tables::validate(const TablesSpec& spec) {
  if (spec.layout == LayoutId::kI2S)
    return make_error(StatusCode::kInvalidArgument, "{}: layout i2s has no tables", name(spec));
  if (spec.form == TableForm::kNone) {
    return make_error(StatusCode::kInvalidArgument, "{}: form none, expected words or bytes",
                      name(spec));
  }
  return check_dimension(name(spec), "k", spec.k);
}

std::string Tables::name(const TablesSpec& spec) {
  return fmt::format("tables_i8_{}_{}_k{}", layout_name(spec.layout), table_form_name(spec.form),
                     spec.k);
}

TablesSpec Tables::parse(NameReader& reader) {
  TablesSpec spec;
  reader.expect("i8");
  spec.layout = reader.layout();
  const std::string_view form = reader.next();
  for (const TableForm each : {TableForm::kWords, TableForm::kBytes})
    if (form == table_form_name(each)) spec.form = each;
  if (form != table_form_name(spec.form)) reader.fail("words or bytes");
  spec.k = reader.number<int64_t>("k");
  return spec;
}

// A field of t trits has 3^t sums; adding one column to each of a smaller field's sums makes them.
Work Tables::work(const TablesSpec& spec, int64_t rows, int64_t positions) {
  return {.bytes_read = bytes_read(operands(spec), rows, positions),
          .macs = rows * spec.table_bytes() / 2};
}

std::vector<TablesSpec> Tables::samples() {
  std::vector<TablesSpec> specs;
  for (const LayoutId layout : {LayoutId::kTl1, LayoutId::kTl2, LayoutId::kB3})
    for (const TableForm form : {TableForm::kWords, TableForm::kBytes})
      for (const int64_t k : kSampleWidths)
        specs.push_back({.k = k, .layout = layout, .form = form});
  return specs;
}

// All blocks, then the last one alone.
std::vector<proof::CallCase> Tables::cases(const TablesSpec& spec) {
  return {{.name = "all blocks"}, {.name = "the last block", .first = spec.blocks() - 1}};
}

// A quarter of the row is at the extreme, where sums of 16 bits are largest.
void Tables::prepare(const TablesSpec& spec, const proof::CallCase& call_case, Random&,
                     proof::OperandBuffers& buffers, Args& args) {
  const auto x = buffers.get<int8_t>("x");
  std::fill(x.begin() + spec.k, x.end(), int8_t{0});
  std::fill_n(x.begin(), spec.k / 4, int8_t{-128});
  args.block_begin = call_case.first;
  args.block_end = spec.blocks();
}

}  // namespace bitnetc
