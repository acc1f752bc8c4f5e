// Lookup tables of one token's activations, for LUT matmul kernels.
// Page: docs/operations/tables.md
#pragma once

#include <compare>
#include <cstdint>
#include <string>
#include <string_view>
#include <vector>

#include "codegen/operations/call_case.h"
#include "codegen/operations/operation.h"
#include "codegen/weight_layout.h"

namespace bitnetc {

// How a LUT matmul wants its tables: for every field of every word of a block of columns
// (codegen/layout/word_columns.h), in the order block, word, field, the sum x·w for each code c of
// the field.
enum class TableForm {
  kNone,  // none: the kernel reads x
  // i16 by the field's bits: 16 (tl1) or 32 (tl2, b3) per field; codes that do not occur hold 0.
  kWords,
  // Low bytes of 16 sums, then their high bytes: tl1 by the field's bits; tl2 and b3 by the
  // magnitude of the field's value, for positive values (b3's lone trit: 0 and 1).
  kBytes,
};
std::string_view table_form_name(TableForm form);  // "none", "words", "bytes"

struct TablesSpec {
  int64_t k = 0;
  LayoutId layout = LayoutId::kTl2;  // any but i2_s
  TableForm form = TableForm::kWords;
  auto operator<=>(const TablesSpec&) const = default;

  int64_t field_bytes() const;  // of one field's table
  int64_t blocks() const;
  int64_t block_bytes() const;  // of the tables of a block of columns
  int64_t table_bytes() const { return blocks() * block_bytes(); }
};

namespace reference {
void build_tables(const TablesSpec& spec, const BuildTablesArgs& args);
}

template <>
struct Operation<TablesSpec> {
  using Args = BuildTablesArgs;
  static constexpr std::string_view kName = "tables";
  static constexpr auto kReference = &reference::build_tables;
  static std::vector<Operand> operands(const TablesSpec& spec);
  static Status validate(const TablesSpec& spec);
  static std::string name(const TablesSpec& spec);
  static TablesSpec parse(NameReader& reader);
  static Work work(const TablesSpec& spec, int64_t rows, int64_t positions);
  static std::vector<TablesSpec> samples();
  static std::vector<proof::CallCase> cases(const TablesSpec& spec);
  static void prepare(const TablesSpec& spec, const proof::CallCase& call_case, Random& random,
                      proof::OperandBuffers& buffers, Args& args);
};

}  // namespace bitnetc
