// matmul_lut_avx2.cpp     ternary LUT kernels, M = 1, AVX2: vpshufb over tables of bytes
//
// Shapes     MatmulArgs; any N % 16 == 0, any K < 2^24; layouts tl1, tl2, b3
// Tile       a ymm holds one word of each of 16 rows; 1 or 2 tiles per group share the tables
//            ymm: 2 accumulators + 4 constants + 2 words + 2 tables + signs + 2 indices = 13
// Decoding   A lookup takes an index in the low byte of a word and one in the high byte, in tables
//            of low and of high bytes; the byte that has no index finds entry 0, which is zero in
//            every table. Signed fields (tl2, b3) are looked up by magnitude, and vpsignw gives the
//            sum the field's sign:
//              tl2  the field shifted to the word's top has its sign in bit 15, and is zero only
//                   with the sum
//              b3   the field minus its bias; the lone trit is the sign of its activation
// Work       vector ALU operations for 16 words, and a broadcast per table half
//              tl1  26 for 128 weights: per field 1-3 to index, 2 vpshufb, vpor, vpaddw
//              tl2  26 for 144 weights: per field 2-3 to index, 2 vpshufb, vpor, shift, vpsignw,
//                   vpaddw
//              b3   35 for 160 weights: per triple 4 to index, 2 vpshufb, vpor, vpsignw, vpaddw;
//                   5 and 3 for the rest
// Exactness, form   codegen/x64/matmul_lut.h, one accumulator per row
// Layout     docs/layouts/tl1.md, tl2.md, b3.md      Reference  codegen/reference/matmul.cpp
#include "codegen/x64/matmul_lut.h"
#include "codegen/x64/x64_generator.h"
#include "codegen/x64/x64_generators.h"

namespace bitnetc {
namespace x64::matmul_lut_avx2 {
namespace {

using Xbyak::Xmm;
using Xbyak::Ymm;

constexpr int kAccumulators = 1;
constexpr int kMaxTiles = 2;

class MatmulLutAvx2 final : public MatmulLut {
 public:
  MatmulLutAvx2(const MatmulSpec& spec, const KernelPlan& plan)
      : MatmulLut(kYmmFile, spec, plan, TableForm::kBytes, kAccumulators) {}

 private:
  // Register map.
  Ymm acc(int tile) const { return Ymm(tile); }        // i16x16
  Ymm words(int tile) const { return Ymm(2 + tile); }  // b3: what is left of them
  Ymm low_table() const { return Ymm(4); }             // in both halves; b3's lone trit: x
  Ymm high_table() const { return Ymm(5); }
  Ymm low() const { return Ymm(6); }   // index, then low byte, then sum
  Ymm high() const { return Ymm(7); }  // index, then high byte
  // Constants, in every word.
  Ymm field_mask() const { return Ymm(8); }  // tl1, tl2: 15
  Ymm radix() const { return Ymm(8); }       // b3: 27
  Ymm bias() const { return Ymm(9); }        // b3: 13
  Ymm three() const { return Ymm(10); }      // b3: of the lone trit
  Ymm one() const { return Ymm(11); }
  // The epilogue takes this one and the rest.
  Ymm sign() const { return Ymm(12); }

  void load_constants() override {
    const auto broadcast_word = [&](const Ymm& to, uint32_t value) {
      broadcast(to, value * 0x00010001U);
    };
    if (layout() != LayoutId::kB3) return broadcast_word(field_mask(), 15);
    broadcast_word(radix(), 27);
    broadcast_word(bias(), 13);
    broadcast_word(three(), 3);
    broadcast_word(one(), 1);
  }

  void zero_accumulators(int tiles) override {
    for (int tile = 0; tile < tiles; ++tile) vpxor(acc(tile), acc(tile), acc(tile));
  }

  void word(int tiles, int block, int w) override {
    for (int tile = 0; tile < tiles; ++tile) vmovdqu(words(tile), ptr[word_column(tile, block, w)]);
    for (int f = 0; f < fields(); ++f) {
      load_tables(block, w, f);
      for (int tile = 0; tile < tiles; ++tile) {
        look_up(tile, f);
        vpaddw(acc(tile), acc(tile), low());
      }
    }
  }

  void load_tables(int block, int w, int f) {
    constexpr int kHighBytes = 16;
    if (lone_trit(f)) {  // the entry for +1: the activation
      vpbroadcastb(low_table(), ptr[table(block, w, f) + 1]);
      vpsraw(low_table(), low_table(), 8);
      return;
    }
    vbroadcasti128(low_table(), ptr[table(block, w, f)]);
    vbroadcasti128(high_table(), ptr[table(block, w, f) + kHighBytes]);
  }

  // low() = what field `f` adds to each row
  void look_up(int tile, int f) {
    switch (layout()) {
      case LayoutId::kTl1:
        index_of_bits(tile, 4 * f, f < 3);
        look_up_magnitude();
        return;
      case LayoutId::kTl2:
        index_of_bits(tile, 5 * f, true);
        look_up_magnitude();
        vpsllw(sign(), words(tile), static_cast<uint8_t>(11 - 5 * f));
        vpsignw(low(), low(), sign());
        return;
      default: look_up_b3(tile, f);
    }
  }

  void index_of_bits(int tile, int bit, bool more_above) {
    if (bit > 0) vpsrlw(low(), words(tile), static_cast<uint8_t>(bit));
    if (more_above) vpand(low(), bit > 0 ? low() : words(tile), field_mask());
  }

  // The index in the low bytes of low(); high bytes zero.
  void look_up_magnitude() {
    vpsllw(high(), low(), 8);
    vpshufb(low(), low_table(), low());
    vpshufb(high(), high_table(), high());
    vpor(low(), low(), high());
  }

  void look_up_b3(int tile, int f) {
    if (lone_trit(f)) {
      vpmulhuw(sign(), words(tile), three());
      vpsubw(sign(), sign(), one());
      vpsignw(low(), low_table(), sign());
      return;
    }
    vpmulhuw(sign(), words(tile), radix());
    vpmullw(words(tile), words(tile), radix());
    vpsubw(sign(), sign(), bias());
    vpabsw(low(), sign());
    look_up_magnitude();
    vpsignw(low(), low(), sign());
  }

  void flush(int tiles) override {
    for (int tile = 0; tile < tiles; ++tile) {
      for (int half = 0; half < 2; ++half) {
        Xmm rows(acc(tile).getIdx());
        if (half == 1) {
          rows = Xmm(high().getIdx());
          vextracti128(rows, acc(tile), 1);
        }
        vpmovsxwd(low(), rows);
        vpaddd(low(), low(), sums(tile, half));
        vmovdqa(sums(tile, half), low());
      }
    }
  }
};

// Gated epilogues take two tiles per group in any case.
Status accepts(const MatmulSpec&, const KernelPlan& plan) {
  const int tiles = DirectPlan::from(plan).tiles_per_step;
  if (tiles <= kMaxTiles) return {};
  return make_error(StatusCode::kUnsupported, "tiles_per_step = {}, 16 ymm registers are for {}",
                    tiles, kMaxTiles);
}

// As counted at the head of this file.
MatmulWork work(const MatmulSpec& spec, const KernelPlan& plan, int64_t) {
  constexpr TableForm kForm = TableForm::kBytes;
  switch (spec.layout) {
    case LayoutId::kTl1: return lut_work(spec, plan, kForm, 26, 128);
    case LayoutId::kTl2: return lut_work(spec, plan, kForm, 26, 144);
    default: return lut_work(spec, plan, kForm, 35, 160);
  }
}

constexpr MatmulFamily kFamily{.name = "x64_lut_avx2",
                               .suffix = "lut_avx2",
                               .isa = Isa::kAvx2,
                               .revision = 2,
                               .layouts = {LayoutId::kTl1, LayoutId::kTl2, LayoutId::kB3},
                               .min_m = 1,
                               .max_m = 1,
                               .k_limit = kLutKLimit,
                               .table_form = TableForm::kBytes,
                               .accepts = accepts,
                               .program = make_program<MatmulLutAvx2>,
                               .work = work,
                               .effective_plan = effective_lut_plan};

}  // namespace
}  // namespace x64::matmul_lut_avx2

std::unique_ptr<Generator> make_x64_lut_avx2() {
  return x64::make_matmul_generator(x64::matmul_lut_avx2::kFamily);
}

}  // namespace bitnetc
