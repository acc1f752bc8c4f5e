// head.cpp     logits[n] = lanes64 dot of hidden[k] with row n of the head, AVX2, AVX-512
//
// Shapes     HeadArgs; f32, f16, bf16; any N and K
// Tile       AVX-512  2 rows of the head: 8 sums of 16 lanes, as many chains as hide the latency of
//                     fma on two ports, + hidden + weights = 10 zmm; an odd row goes alone
//            AVX2     1 row: 8 sums of 8 lanes + hidden + weights + kept + mask = 12 ymm
//            All hidden rows meet the rows of the tile while these are in the L1 cache; the rows
//            that come next are prefetched.
// Work       per vector of weights: load and widen (bf16: 2 instructions, f16: 1, f32: 0), 1 fma;
//            one load of hidden per tile
// Exactness  A lane of lanes64 is a lane of a sum; columns that do not fill 64 leave the other
//            lanes as they are (AVX-512: opmask; AVX2: blend).
// Reference  codegen/reference/tables.cpp
#include <algorithm>
#include <cstddef>

#include "codegen/x64/x64_generator.h"
#include "codegen/x64/x64_generators.h"
#include "runtime/math.h"

namespace bitnetc {
namespace x64 {
namespace {

using Xbyak::Reg64;
using Xbyak::Xmm;
using Xbyak::Ymm;
using Xbyak::Zmm;

constexpr int kGroup = math::kLanes;  // columns that fill all lanes

class HeadProgram final : public X64Code {
 public:
  HeadProgram(VectorFile vectors, const HeadSpec& spec)
      : X64Code(vectors),
        spec_(spec),
        wide_(vectors.bytes == kZmmFile.bytes),
        width_(vectors.bytes / 4),
        per_row_(kGroup / width_),
        rows_(wide_ ? 2 : 1) {}

 private:
  Xmm sum(int row, int j) const { return vec(row * per_row_ + j); }
  Xmm hidden() const { return vec(rows_ * per_row_); }
  Xmm weights() const { return vec(rows_ * per_row_ + 1); }
  Xmm kept() const { return vec(rows_ * per_row_ + 2); }
  Xmm mask() const { return vec(rows_ * per_row_ + 3); }
  Xbyak::Opmask present() const { return k1; }

  int element_bytes() const { return static_cast<int>(float_type_bytes(spec_.type)); }
  int64_t row_bytes() const { return spec_.k * element_bytes(); }
  int rest() const { return static_cast<int>(spec_.k % kGroup); }

  void generate() override;
  void emit_data() override;
  void run_rows(int count);
  void add_group(int count);
  void add_rest(int count);
  void load_weights(int row, int column);
  void load_first_weights(int row, int column, int count);
  void fold(int row);
  void fold_halves(int row);

  const HeadSpec spec_;
  const bool wide_;
  const int width_;    // floats of a vector
  const int per_row_;  // vectors of lanes
  const int rows_;     // of the head, side by side
  Xbyak::Label mask_;  // as many ones as the last vector of a row has columns, then zeros

  const Reg64 args_ = Xbyak::util::rdi;
  const Reg64 table_ = Xbyak::util::rsi;   // the first row side by side
  const Reg64 hidden_ = Xbyak::util::rdx;  // the hidden row
  const Reg64 logits_ = Xbyak::util::rcx;  // of the hidden row
  const Reg64 row_ = Xbyak::util::r8;      // of the head
  const Reg64 end_ = Xbyak::util::r9;
  const Reg64 index_ = Xbyak::util::r10;    // of the hidden row
  const Reg64 groups_ = Xbyak::util::r11;   // left
  const Reg64 weights_ = Xbyak::util::r12;  // of the group
  const Reg64 columns_ = Xbyak::util::r13;  // hidden of the group
  const Reg64 stride_ = Xbyak::util::r14;   // bytes of a row of the head
};

int field(size_t offset) {
  return static_cast<int>(offset);
}

void HeadProgram::generate() {
  prologue(0);
  mov(row_, ptr[args_ + field(offsetof(HeadArgs, row_begin))]);
  mov(end_, ptr[args_ + field(offsetof(HeadArgs, row_end))]);
  mov(stride_, row_bytes());
  mov(table_, row_);
  imul(table_, stride_);
  add(table_, ptr[args_ + field(offsetof(HeadArgs, table))]);
  if (const int last = rest() % width_; last != 0) {
    if (wide_) {
      mov(eax, (1 << last) - 1);
      kmovw(present(), eax);
    } else {
      vmovups(mask(), ptr[rip + mask_]);
    }
  }
  Xbyak::Label side_by_side, alone, done;
  L(side_by_side);
  lea(rax, ptr[row_ + rows_]);
  cmp(rax, end_);
  jg(alone, T_NEAR);
  run_rows(rows_);
  jmp(side_by_side, T_NEAR);
  L(alone);
  if (rows_ > 1) {
    cmp(row_, end_);
    jge(done, T_NEAR);
    run_rows(1);
  }
  L(done);
  finish();
}

void HeadProgram::emit_data() {
  L(mask_);
  for (int i = 0; i < width_; ++i) dd(i < rest() % width_ ? 0xffffffff : 0);
}

// `count` rows of the head with every hidden row, and on to the next.
void HeadProgram::run_rows(int count) {
  mov(hidden_, ptr[args_ + field(offsetof(HeadArgs, hidden))]);
  mov(logits_, ptr[args_ + field(offsetof(HeadArgs, logits))]);
  xor_(index_, index_);
  Xbyak::Label next_hidden;
  L(next_hidden);
  for (int row = 0; row < count; ++row) {
    for (int j = 0; j < per_row_; ++j) {
      const Xmm low(sum(row, j).getIdx());
      vpxor(low, low, low);
    }
  }
  mov(weights_, table_);
  mov(columns_, hidden_);
  repeat(groups_, spec_.k / kGroup, [&] {
    add_group(count);
    add(weights_, kGroup * element_bytes());
    add(columns_, kGroup * 4);
  });
  if (rest() > 0) add_rest(count);
  for (int row = 0; row < count; ++row) fold(row);
  mov(rax, ptr[args_ + field(offsetof(HeadArgs, hidden_stride))]);
  lea(hidden_, ptr[hidden_ + 4 * rax]);
  mov(rax, ptr[args_ + field(offsetof(HeadArgs, logits_stride))]);
  lea(logits_, ptr[logits_ + 4 * rax]);
  inc(index_);
  cmp(index_, ptr[args_ + field(offsetof(HeadArgs, rows))]);
  jl(next_hidden, T_NEAR);
  add(row_, count);
  for (int row = 0; row < count; ++row) add(table_, stride_);
}

void HeadProgram::add_group(int count) {
  for (int j = 0; j < per_row_; ++j) {
    vmovups(hidden(), ptr[columns_ + j * width_ * 4]);
    for (int row = 0; row < count; ++row) {
      load_weights(row, j * width_);
      vfmadd231ps(sum(row, j), hidden(), weights());
    }
  }
  // The same columns of the rows behind these.
  lea(rax, ptr[weights_ + stride_]);
  if (count > 1) lea(rax, ptr[rax + stride_]);
  for (int row = 0; row < count; ++row) {
    if (row > 0) add(rax, stride_);
    for (int at = 0; at < kGroup * element_bytes(); at += kLineBytes) prefetcht0(ptr[rax + at]);
  }
}

// Columns beyond the last whole group.
void HeadProgram::add_rest(int count) {
  for (int row = 0; row < count; ++row) {
    for (int j = 0; j * width_ < rest(); ++j) {
      const int columns = std::min(width_, rest() - j * width_);
      const auto from = ptr[columns_ + j * width_ * 4];
      if (columns == width_) {
        vmovups(hidden(), from);
        load_weights(row, j * width_);
        vfmadd231ps(sum(row, j), hidden(), weights());
      } else if (wide_) {
        vmovups(hidden() | present() | T_z, from);
        load_first_weights(row, j * width_, columns);
        vfmadd231ps(sum(row, j) | present(), hidden(), weights());
      } else {
        vmaskmovps(hidden(), mask(), from);
        load_first_weights(row, j * width_, columns);
        vmovaps(kept(), sum(row, j));
        vfmadd231ps(sum(row, j), hidden(), weights());
        vblendvps(sum(row, j), kept(), sum(row, j), mask());
      }
    }
  }
}

// A vector of weights of `row`, widened.
void HeadProgram::load_weights(int row, int column) {
  const Xbyak::RegExp at = row == 0 ? weights_ + column * element_bytes()
                                    : weights_ + stride_ + column * element_bytes();
  switch (spec_.type) {
    case FloatType::kF32: vmovups(weights(), ptr[at]); break;
    case FloatType::kF16: vcvtph2ps(weights(), ptr[at]); break;
    case FloatType::kBf16:
      vpmovzxwd(weights(), ptr[at]);
      vpslld(weights(), weights(), 16);
      break;
  }
}

// The first `count` of them, nothing behind them being read; what the other lanes hold is not used.
void HeadProgram::load_first_weights(int row, int column, int count) {
  const Xbyak::RegExp at = row == 0 ? weights_ + column * element_bytes()
                                    : weights_ + stride_ + column * element_bytes();
  if (wide_) {
    const Xmm to = weights() | present() | T_z;
    switch (spec_.type) {
      case FloatType::kF32: vmovups(to, ptr[at]); break;
      case FloatType::kF16: vcvtph2ps(to, ptr[at]); break;
      case FloatType::kBf16:
        vpmovzxwd(to, ptr[at]);
        vpslld(weights(), weights(), 16);
        break;
    }
    return;
  }
  if (spec_.type == FloatType::kF32) {
    vmaskmovps(weights(), mask(), ptr[at]);
    return;
  }
  const Xmm bits(weights().getIdx());
  vpxor(bits, bits, bits);
  for (int i = 0; i < count; ++i)
    vpinsrw(bits, bits, ptr[at + i * element_bytes()], static_cast<uint8_t>(i));
  if (spec_.type == FloatType::kF16) {
    vcvtph2ps(weights(), bits);
  } else {
    vpmovzxwd(weights(), bits);
    vpslld(weights(), weights(), 16);
  }
}

// Lanes 32 and on join the lanes before them, then those from 16 on, until a vector is left.
void HeadProgram::fold_halves(int row) {
  for (int half = per_row_ / 2; half >= 1; half /= 2)
    for (int j = 0; j < half; ++j) vaddps(sum(row, j), sum(row, j), sum(row, j + half));
}

void HeadProgram::fold(int row) {
  fold_halves(row);
  const int i = sum(row, 0).getIdx();
  const Xmm total(i), upper(hidden().getIdx());
  if (wide_) {
    vextractf64x4(Ymm(upper.getIdx()), Zmm(i), 1);
    vaddps(Ymm(i), Ymm(i), Ymm(upper.getIdx()));
  }
  vextractf128(upper, Ymm(i), 1);
  vaddps(total, total, upper);
  vmovhlps(upper, total, total);
  vaddps(total, total, upper);
  vmovshdup(upper, total);
  vaddss(total, total, upper);
  vmovss(ptr[logits_ + 4 * row_ + 4 * row], total);
}

template <const VectorFile& kVectors>
std::unique_ptr<X64Code> head_program(const HeadSpec& spec) {
  return std::make_unique<HeadProgram>(kVectors, spec);
}

}  // namespace
}  // namespace x64

std::unique_ptr<Generator> make_x64_head_avx2() {
  return x64::make_operation_generator<HeadSpec>({.name = "x64_head_avx2",
                                                  .suffix = "avx2",
                                                  .isa = Isa::kAvx2,
                                                  .revision = 1,
                                                  .program = x64::head_program<x64::kYmmFile>});
}

std::unique_ptr<Generator> make_x64_head_avx512() {
  return x64::make_operation_generator<HeadSpec>({.name = "x64_head_avx512",
                                                  .suffix = "avx512",
                                                  .isa = Isa::kAvx512Vnni,
                                                  .revision = 1,
                                                  .program = x64::head_program<x64::kZmmFile>});
}

}  // namespace bitnetc
