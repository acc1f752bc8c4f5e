#include "codegen/x64/tables_program.h"

#include <algorithm>
#include <cstddef>
#include <cstdlib>

#include "runtime/rounding.h"

namespace bitnetc::x64 {
namespace {

constexpr int kGatheredBytes = 64;  // at most 12 fields
constexpr int kRowEnd = static_cast<int>(kQuantPad);
constexpr int kRowEndBytes = 2 * kRowEnd;  // and as many zeros: more than a block of columns
constexpr int kLoadColumns = 16;
constexpr uint8_t kZeroByte = 0x80;      // in a shuffle
constexpr uint32_t kRaise = 0x80808080;  // by exclusive or: +128 of signed bytes

// The field's value that a table holds under `code`; false: the code does not occur.
bool value_of_code(const TablesSpec& spec, bool lone_trit, int code, int* value) {
  const int limit = lone_trit ? 1 : 13;
  if (spec.layout == LayoutId::kTl1) {
    *value = code < 8 ? code : code - 16;
    return std::abs(*value) <= 4;
  }
  if (spec.form == TableForm::kBytes) {
    *value = code;
  } else if (spec.layout == LayoutId::kTl2) {
    *value = code < 16 ? code : 16 - code;
  } else {
    *value = code - limit;
  }
  return std::abs(*value) <= limit;
}

}  // namespace

Status check_form(const TablesSpec& spec, TableForm form) {
  if (spec.form == form) return {};
  return make_error(StatusCode::kUnsupported, "builds tables of {}, not of {}",
                    table_form_name(form), table_form_name(spec.form));
}

TablesProgram::TablesProgram(VectorFile vectors, const TablesSpec& spec)
    : X64Code(vectors),
      spec_(spec),
      format_(word_format(spec.layout)),
      row_columns_(round_up(spec.k, kQuantPad)),
      whole_blocks_(std::min(spec.blocks(), row_columns_ / format_.columns)),
      quads_([this] {
        std::vector<Quad> all;
        for (int i = 0; i < quads(); ++i) all.push_back(quad(i));
        return all;
      }()) {}

// ---- what fields hold

// Balanced base 3, the first trit being the highest digit.
Digits TablesProgram::digits(int field, int code) const {
  Digits result{};
  int rest = 0;
  if (!value_of_code(spec_, lone_trit(field), code, &rest)) return result;
  for (int t = format_.trits[field % format_.fields] - 1; t >= 0; --t) {
    const int digit = (rest + 13) % 3 - 1;  // 13 is 1 modulo 3, and rest >= -13
    result[static_cast<size_t>(t)] = static_cast<int8_t>(digit);
    rest = (rest - digit) / 3;
  }
  result[3] = static_cast<int8_t>(-(result[0] + result[1] + result[2]));
  return result;
}

// Fields by the column of their first trit: then four of them are close together.
int TablesProgram::slot(int field) const {
  const auto first = [&](int f) {
    return format_.column(f / format_.fields, f % format_.fields, 0);
  };
  int before = 0;
  for (int other = 0; other < fields(); ++other) before += first(other) < first(field) ? 1 : 0;
  return before;
}

TablesProgram::Quad TablesProgram::quad(int index) const {
  int columns[4][kMaxFieldTrits];
  int trits[4];
  int lowest = format_.columns;
  for (int field = 0; field < fields(); ++field) {
    if (slot(field) / 4 != index) continue;
    const int i = slot(field) % 4, w = field / format_.fields, f = field % format_.fields;
    trits[i] = format_.trits[f];
    for (int t = 0; t < trits[i]; ++t) {
      columns[i][t] = format_.column(w, f, t);
      lowest = std::min(lowest, columns[i][t]);
    }
  }
  Quad result{.column = std::min(lowest, format_.columns - kLoadColumns), .shuffle = {}};
  result.shuffle.fill(kZeroByte);
  for (int i = 0; i < 4; ++i)
    for (int t = 0; t < trits[i]; ++t)
      result.shuffle[static_cast<size_t>(4 * i + t)] =
          static_cast<uint8_t>(columns[i][t] - result.column);
  return result;
}

// ---- program

void TablesProgram::generate() {
  prologue(kGatheredBytes + kRowEndBytes);
  load_arguments();
  load_constants();
  run_blocks(whole_end_);
  if (whole_blocks_ < spec_.blocks()) {
    copy_row_end();
    run_blocks(end_);
  }
  finish();
}

void TablesProgram::emit_data() {
  L(shuffles_);
  for (const Quad& each : quads_)
    for (const uint8_t from : each.shuffle) db(from);
}

void TablesProgram::load_arguments() {
  mov(block_, ptr[args_ + static_cast<int>(offsetof(BuildTablesArgs, block_begin))]);
  mov(end_, ptr[args_ + static_cast<int>(offsetof(BuildTablesArgs, block_end))]);
  mov(whole_end_, whole_blocks_);
  cmp(end_, whole_end_);
  cmovl(whole_end_, end_);
  imul(tables_, block_, static_cast<int>(spec_.block_bytes()));
  add(tables_, ptr[args_ + static_cast<int>(offsetof(BuildTablesArgs, tables))]);
  imul(x_, block_, format_.columns);
  add(x_, ptr[args_ + static_cast<int>(offsetof(BuildTablesArgs, x))]);
}

// The row's last columns, then zeros, and x_ in this copy.
void TablesProgram::copy_row_end() {
  const Xbyak::Ymm bytes(0);
  const Xbyak::Reg64 row = rax;
  mov(row, ptr[args_ + static_cast<int>(offsetof(BuildTablesArgs, x))]);
  for (int at = 0; at < kRowEnd; at += 32) {
    vmovdqu(bytes, ptr[row + static_cast<int>(row_columns_) - kRowEnd + at]);
    vmovdqa(ptr[scratch_ + kGatheredBytes + at], bytes);
  }
  vpxor(bytes, bytes, bytes);
  for (int at = kRowEnd; at < kRowEndBytes; at += 32)
    vmovdqa(ptr[scratch_ + kGatheredBytes + at], bytes);
  imul(x_, block_, format_.columns);
  lea(x_, ptr[scratch_ + x_ + kGatheredBytes + kRowEnd - static_cast<int>(row_columns_)]);
}

void TablesProgram::run_blocks(const Xbyak::Reg64& end) {
  Xbyak::Label next, done;
  L(next);
  cmp(block_, end);
  jge(done, T_NEAR);
  gather();
  build_tables();
  inc(block_);
  add(x_, format_.columns);
  add(tables_, static_cast<int>(spec_.block_bytes()));
  jmp(next, T_NEAR);
  L(done);
}

void TablesProgram::gather() {
  const Xbyak::Xmm bytes(0), raise(1);
  mov(eax, kRaise);
  vmovd(raise, eax);
  vpbroadcastd(raise, raise);
  for (int i = 0; i < quads(); ++i) {
    vmovdqu(bytes, ptr[x_ + quads_[static_cast<size_t>(i)].column]);
    vpshufb(bytes, bytes, ptr[rip + shuffles_ + 16 * i]);
    vpxor(bytes, bytes, raise);
    vmovdqa(ptr[scratch_ + 16 * i], bytes);
  }
}

Xbyak::RegExp TablesProgram::activations(int field) const {
  return scratch_ + 4 * slot(field);
}

}  // namespace bitnetc::x64
