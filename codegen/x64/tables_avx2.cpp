// tables_avx2.cpp     tables of bytes for the LUT kernels, AVX2
//
// Shapes     BuildTablesArgs; layouts tl1, tl2, b3; any K
// Tile       one ymm: the 16 sums of a field as words, then as 16 low and 16 high bytes
//            ymm: 2 of the gathering (sums, then) + 1 shuffle + 2 of digits per kind of field
// Work       per field 2 broadcasts, 2 vpmaddubsw, 1 vpaddw, 1 vpshufb, 1 vpermq; per four fields 1
//            load, vpshufb, vpxor
// Exactness  vpmaddubsw: |d0|, |d1| <= 1, so a pair is within +-510; |d2| <= 1 and |d3| <= 3, so
//            the other is within 255 + 3 * 128 = 639. Neither saturates, nor does the sum overflow.
// Form, layout, reference   codegen/x64/tables_program.h
#include "codegen/x64/tables_program.h"
#include "codegen/x64/x64_generator.h"
#include "codegen/x64/x64_generators.h"

namespace bitnetc {
namespace x64::tables_avx2 {
namespace {

using Xbyak::Ymm;

constexpr int kCodes = 16;

class TablesAvx2 final : public TablesProgram {
 public:
  explicit TablesAvx2(const TablesSpec& spec) : TablesProgram(kYmmFile, spec) {}

 private:
  // Register map.
  Ymm sums() const { return Ymm(0); }
  Ymm more() const { return Ymm(1); }
  Ymm split() const { return Ymm(2); }  // in each half: the low bytes of its words, then the high
  // Digits of the codes' first two and last two bytes; fields with a lone trit have their own.
  Ymm first_digits(bool lone) const { return Ymm(lone ? 5 : 3); }
  Ymm last_digits(bool lone) const { return Ymm(lone ? 6 : 4); }

  void load_constants() override {
    vmovdqu(split(), ptr[rip + split_]);
    for (const bool lone : {false, true}) {
      if (lone && !has_lone_trits()) continue;
      vmovdqu(first_digits(lone), ptr[rip + digits_[lone ? 1 : 0]]);
      vmovdqu(last_digits(lone), ptr[rip + digits_[lone ? 1 : 0] + kYmmFile.bytes]);
    }
  }

  void build_tables() override {
    constexpr uint8_t kQwords0213 = 0b11'01'10'00;
    for (int field = 0; field < fields(); ++field) {
      const bool lone = lone_trit(field);
      vpbroadcastw(sums(), ptr[activations(field)]);
      vpbroadcastw(more(), ptr[activations(field) + 2]);
      vpmaddubsw(sums(), sums(), first_digits(lone));
      vpmaddubsw(more(), more(), last_digits(lone));
      vpaddw(sums(), sums(), more());
      vpshufb(sums(), sums(), split());
      vpermq(sums(), sums(), kQwords0213);
      vmovdqu(ptr[table(field)], sums());
    }
  }

  void emit_data() override {
    TablesProgram::emit_data();
    L(split_);
    for (int half = 0; half < 2; ++half)
      for (const int which : {0, 1})
        for (int i = 0; i < 8; ++i) db(static_cast<uint8_t>(2 * i + which));
    for (const bool lone : {false, true}) {
      if (lone && !has_lone_trits()) continue;
      L(digits_[lone ? 1 : 0]);
      for (const size_t first : {0, 2}) {
        for (int code = 0; code < kCodes; ++code) {
          const Digits all = digits(lone ? fields() - 1 : 0, code);
          db(static_cast<uint8_t>(all[first]));
          db(static_cast<uint8_t>(all[first + 1]));
        }
      }
    }
  }

  Xbyak::Label split_, digits_[2];
};

std::unique_ptr<X64Code> program(const TablesSpec& spec) {
  return std::make_unique<TablesAvx2>(spec);
}

Status accepts(const TablesSpec& spec) {
  return check_form(spec, TableForm::kBytes);
}

constexpr OperationFamily<TablesSpec> kFamily{.name = "x64_tables_avx2",
                                              .suffix = "avx2",
                                              .isa = Isa::kAvx2,
                                              .revision = 1,
                                              .program = program,
                                              .accepts = accepts};

}  // namespace
}  // namespace x64::tables_avx2

std::unique_ptr<Generator> make_x64_tables_avx2() {
  return x64::make_operation_generator(x64::tables_avx2::kFamily);
}

}  // namespace bitnetc
