// matmul_lut_avx512.cpp     ternary LUT kernels, M = 1, AVX-512BW: vpermw over tables of words
//
// Shapes     MatmulArgs; any N % 16 == 0, any K < 2^24; layouts tl1, tl2, b3
// Tile       a zmm holds the words of the same columns of two row tiles, 32 rows; 1, 2, 4 or 8
//            tiles per group. A lone tile leaves the upper half of its vector to whatever code 0
//            means; nobody reads it.
//            zmm: 8 accumulators + 4 words + 4 constants + 4 indices + 4 sums + table = 25
// Decoding   vpermw takes an index's low five bits, so shifting a field down is all
//              tl1  fields at bits 0, 4, 8, 12; its 16 sums are there twice, so that bit 4 of
//                   the index does not matter
//              tl2  fields at bits 0, 5, 10
//              b3   a word is a fraction: times 27, the integer part is the first field, and so on
//                   with what is left. The fraction after f fields is the word times 27^f, modulo
//                   1: one vpmullw.
// Work       vector ALU operations for 32 words, and the load of the words, 2:
//              tl1  256 weights   3 shifts + 4 vpermw + 4 vpaddw                          11
//              tl2  288 weights   2 shifts + 3 vpermw + 3 vpaddw                           8
//              b3   320 weights   4 vpmulhuw + 3 vpmullw + 4 vpermw + 4 vpaddw            15
// Exactness, form   codegen/x64/matmul_lut.h, two accumulators per row: even words and odd words
// Layout     docs/layouts/tl1.md, tl2.md, b3.md      Reference  codegen/reference/matmul.cpp
#include "codegen/x64/matmul_lut.h"
#include "codegen/x64/x64_generator.h"
#include "codegen/x64/x64_generators.h"

namespace bitnetc {
namespace x64::matmul_lut_avx512 {
namespace {

using Xbyak::Ymm;
using Xbyak::Zmm;

constexpr int kAccumulators = 2;
constexpr int kMaxVectors = 4;  // of two tiles

class MatmulLutAvx512 final : public MatmulLut {
 public:
  MatmulLutAvx512(const MatmulSpec& spec, const KernelPlan& plan)
      : MatmulLut(kZmmFile, spec, plan, TableForm::kWords, kAccumulators) {}

 private:
  // Register map. `v` counts vectors: pairs of tiles.
  Zmm acc(int v, int w) const { return Zmm(kAccumulators * v + w % kAccumulators); }  // i16x32
  Zmm words(int v) const { return Zmm(8 + v); }
  // b3, in every word: 27^f for f = 1..3, and the radix of the lone trit.
  Zmm power(int f) const { return Zmm(11 + f); }
  Zmm three() const { return Zmm(15); }
  Zmm index(int v) const { return Zmm(16 + v); }
  Zmm sum(int v) const { return Zmm(20 + v); }
  Zmm table_words() const { return Zmm(24); }

  static int vectors(int tiles) { return (tiles + 1) / 2; }

  void load_constants() override {
    if (layout() != LayoutId::kB3) return;
    uint32_t power_of_27 = 1;
    for (int f = 1; f < fields(); ++f) {
      power_of_27 *= 27;
      broadcast(power(f), power_of_27 * 0x00010001U);
    }
    broadcast(three(), 0x00030003U);
  }

  void zero_accumulators(int tiles) override {
    for (int v = 0; v < vectors(tiles); ++v)
      for (int a = 0; a < kAccumulators; ++a) vpxord(acc(v, a), acc(v, a), acc(v, a));
  }

  void word(int tiles, int block, int w) override {
    for (int v = 0; v < vectors(tiles); ++v) load_words(tiles, v, block, w);
    for (int f = 0; f < fields(); ++f) {
      load_table(block, w, f);
      for (int v = 0; v < vectors(tiles); ++v) decode(v, f);
      for (int v = 0; v < vectors(tiles); ++v) vpermw(sum(v), decoded(v, f), table_words());
      for (int v = 0; v < vectors(tiles); ++v) vpaddw(acc(v, w), acc(v, w), sum(v));
    }
  }

  void load_words(int tiles, int v, int block, int w) {
    vmovdqu(Ymm(words(v).getIdx()), ptr[word_column(2 * v, block, w)]);
    if (2 * v + 1 < tiles)
      vinserti64x4(words(v), words(v), ptr[word_column(2 * v + 1, block, w)], 1);
  }

  void load_table(int block, int w, int f) {
    if (layout() == LayoutId::kTl1) {
      vbroadcasti64x4(table_words(), ptr[table(block, w, f)]);
    } else {
      vmovdqu64(table_words(), ptr[table(block, w, f)]);
    }
  }

  // The vector whose words have field `f` in their low bits.
  Zmm decoded(int v, int f) const {
    return f == 0 && layout() != LayoutId::kB3 ? words(v) : index(v);
  }

  void decode(int v, int f) {
    if (layout() == LayoutId::kB3) return decode_b3(v, f);
    if (f == 0) return;
    vpsrlw(index(v), words(v), static_cast<uint8_t>(f * (layout() == LayoutId::kTl1 ? 4 : 5)));
  }

  void decode_b3(int v, int f) {
    const Zmm radix = lone_trit(f) ? three() : power(1);
    if (f == 0) {
      vpmulhuw(index(v), words(v), radix);
      return;
    }
    vpmullw(index(v), words(v), power(f));
    vpmulhuw(index(v), index(v), radix);
  }

  // The two accumulators of a row are added as i32.
  void flush(int tiles) override {
    for (int tile = 0; tile < tiles; ++tile) {
      const Zmm total = sum(0), part = sum(1);
      vmovdqu64(total, sums(tile, 0));
      for (int a = 0; a < kAccumulators; ++a) {
        Ymm rows(acc(tile / 2, a).getIdx());
        if (tile % 2 == 1) {
          rows = Ymm(table_words().getIdx());
          vextracti64x4(rows, acc(tile / 2, a), 1);
        }
        vpmovsxwd(part, rows);
        vpaddd(total, total, part);
      }
      vmovdqu64(sums(tile, 0), total);
    }
  }
};

Status accepts(const MatmulSpec&, const KernelPlan& plan) {
  const int tiles = DirectPlan::from(plan).tiles_per_step;
  BITNETC_CHECK(tiles <= 2 * kMaxVectors, "tiles_per_step = {}", tiles);
  return {};
}

// As counted at the head of this file.
MatmulWork work(const MatmulSpec& spec, const KernelPlan& plan, int64_t) {
  constexpr TableForm kForm = TableForm::kWords;
  switch (spec.layout) {
    case LayoutId::kTl1: return lut_work(spec, plan, kForm, 11, 256);
    case LayoutId::kTl2: return lut_work(spec, plan, kForm, 8, 288);
    default: return lut_work(spec, plan, kForm, 15, 320);
  }
}

constexpr MatmulFamily kFamily{.name = "x64_lut_avx512",
                               .suffix = "lut_avx512",
                               .isa = Isa::kAvx512Vnni,
                               .revision = 2,
                               .layouts = {LayoutId::kTl1, LayoutId::kTl2, LayoutId::kB3},
                               .min_m = 1,
                               .max_m = 1,
                               .k_limit = kLutKLimit,
                               .table_form = TableForm::kWords,
                               .accepts = accepts,
                               .program = make_program<MatmulLutAvx512>,
                               .work = work,
                               .effective_plan = effective_lut_plan};

}  // namespace
}  // namespace x64::matmul_lut_avx512

std::unique_ptr<Generator> make_x64_lut_avx512() {
  return x64::make_matmul_generator(x64::matmul_lut_avx512::kFamily);
}

}  // namespace bitnetc
