// tables_avx512.cpp     tables of words for the LUT kernels, AVX-512 VNNI
//
// Shapes     BuildTablesArgs; layouts tl1, tl2, b3; any K
// Tile       one zmm of 32 sums: a table of tl2 or b3, two tables of tl1
//            zmm: 2 of the gathering (sums, then) + activations + 2 of digits per kind of field
// Work       per zmm of sums 1 or 2 broadcasts, 2 vpdpbusd, 1 vpackssdw; per four fields 1 load,
//            vpshufb, vpxor
// Exactness  vpdpbusd does not saturate; sums are within +-384, so vpackssdw does not either
// Form, layout, reference   codegen/x64/tables_program.h
#include "codegen/x64/tables_program.h"
#include "codegen/x64/x64_generator.h"
#include "codegen/x64/x64_generators.h"

namespace bitnetc {
namespace x64::tables_avx512 {
namespace {

using Xbyak::Zmm;

constexpr int kCodes = 32;  // of a zmm of words

class TablesAvx512 final : public TablesProgram {
 public:
  explicit TablesAvx512(const TablesSpec& spec)
      : TablesProgram(kZmmFile, spec), pairs_(spec.layout == LayoutId::kTl1) {}

 private:
  // Register map.
  Zmm low() const { return Zmm(0); }   // i32x16: sums of codes 0-3, 8-11, ..., then all as words
  Zmm high() const { return Zmm(1); }  // i32x16: sums of codes 4-7, 12-15, ...
  Zmm x() const { return Zmm(2); }     // a field's activations in every dword
  // Digits of the same codes; fields with a lone trit have their own.
  Zmm digits_low(bool lone) const { return Zmm(lone ? 5 : 3); }
  Zmm digits_high(bool lone) const { return Zmm(lone ? 6 : 4); }
  Xbyak::Opmask upper_half() const { return k1; }

  void load_constants() override {
    for (const bool lone : {false, true}) {
      if (lone && !has_lone_trits()) continue;
      vmovdqu64(digits_low(lone), ptr[rip + digits_[lone ? 1 : 0]]);
      vmovdqu64(digits_high(lone), ptr[rip + digits_[lone ? 1 : 0] + kZmmFile.bytes]);
    }
    mov(eax, 0xff00);
    kmovw(upper_half(), eax);
  }

  void build_tables() override {
    for (int field = 0; field < fields(); field += pairs_ ? 2 : 1) {
      const bool lone = lone_trit(field);
      vpbroadcastd(x(), ptr[activations(field)]);
      if (pairs_) vpbroadcastd(x() | upper_half(), ptr[activations(field + 1)]);
      vpxord(low(), low(), low());
      vpdpbusd(low(), x(), digits_low(lone));
      vpxord(high(), high(), high());
      vpdpbusd(high(), x(), digits_high(lone));
      vpackssdw(low(), low(), high());
      vmovdqu64(ptr[table(field)], low());
    }
  }

  // vpackssdw takes four dwords of either operand in turn.
  void emit_data() override {
    TablesProgram::emit_data();
    for (const bool lone : {false, true}) {
      if (lone && !has_lone_trits()) continue;
      const int field = lone ? fields() - 1 : 0;
      L(digits_[lone ? 1 : 0]);
      for (const int half : {0, 4})
        for (int code = half; code < kCodes; code += 8)
          for (int i = 0; i < 4; ++i) put(digits(field, (code + i) % (pairs_ ? 16 : kCodes)));
    }
  }

  const bool pairs_;  // tables of 16 words, two to a vector
  Xbyak::Label digits_[2];
};

std::unique_ptr<X64Code> program(const TablesSpec& spec) {
  return std::make_unique<TablesAvx512>(spec);
}

Status accepts(const TablesSpec& spec) {
  return check_form(spec, TableForm::kWords);
}

constexpr OperationFamily<TablesSpec> kFamily{.name = "x64_tables_avx512",
                                              .suffix = "avx512",
                                              .isa = Isa::kAvx512Vnni,
                                              .revision = 1,
                                              .program = program,
                                              .accepts = accepts};

}  // namespace
}  // namespace x64::tables_avx512

std::unique_ptr<Generator> make_x64_tables_avx512() {
  return x64::make_operation_generator(x64::tables_avx512::kFamily);
}

}  // namespace bitnetc
