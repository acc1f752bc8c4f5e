// head.cpp     logits[n] = lanes64 dot of hidden[k] with row n of the head, AVX2, AVX-512
//
// Shapes     HeadArgs; f32, f16, bf16; any N and K
// Tile       AVX-512  2 rows of the head, 3 hidden rows: 24 sums of 16 lanes + 2 weights + hidden
//                     = 27 zmm. The 8 sums that a lone hidden row has hide the latency of fma on
//                     two ports. An odd row of the head goes alone.
//            AVX2     1 row, 1 hidden row: 8 sums of 8 lanes + weights + hidden + kept + mask
//                     = 12 ymm
//            All hidden rows meet the rows of the tile while these are in the L1 cache; every tile
//            prefetches the rows that come next, which costs little once they are there.
// Work       per vector of weights: load and widen (bf16, f16: 2 operations of the ports of fma,
//            f32: 0), an fma per hidden row. AVX-512, f16: 12 cycles per 64 columns of 2 rows for
//            1 hidden row, 20 for 3
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
        rows_(wide_ ? 2 : 1),
        hidden_rows_(wide_ ? 3 : 1) {}

 private:
  struct Tile {
    int rows;    // of the head
    int hidden;  // rows
  };

  Xmm sum(int row, int hidden, int j) const { return vec((hidden * rows_ + row) * per_row_ + j); }
  int helpers() const { return hidden_rows_ * rows_ * per_row_; }
  Xmm weights(int row) const { return vec(helpers() + row); }
  Xmm hidden() const { return vec(helpers() + rows_); }
  Xmm kept() const { return vec(helpers() + rows_ + 1); }  // AVX2
  Xmm mask() const { return vec(helpers() + rows_ + 2); }  // AVX2
  Xbyak::Opmask present() const { return k1; }

  int element_bytes() const { return static_cast<int>(float_type_bytes(spec_.type)); }
  int64_t row_bytes() const { return spec_.k * element_bytes(); }
  int rest() const { return static_cast<int>(spec_.k % kGroup); }

  void generate() override;
  void emit_data() override;
  void run_rows(int count);
  void run_tile(const Tile& tile);
  void clear(const Xmm& sum);
  void add_group(const Tile& tile);
  void add_rest(const Tile& tile);
  void prefetch_group(int rows);
  Xbyak::RegExp weights_at(int row, int column) const;
  Xbyak::RegExp hidden_at(int row, int column) const;
  void load_weights(int row, int column);
  void load_first_weights(int row, int column, int count);
  void load_hidden(int row, int column, bool is_whole);
  void add_product(const Xmm& sum, const Xmm& weights, bool is_whole);
  void fold(int row, int hidden_row);

  const HeadSpec spec_;
  const bool wide_;
  const int width_;        // floats of a vector
  const int per_row_;      // vectors of lanes
  const int rows_;         // of the head, side by side
  const int hidden_rows_;  // side by side
  Xbyak::Label mask_;      // as many ones as the last vector of a row has columns, then zeros

  const Reg64 args_ = Xbyak::util::rdi;
  const Reg64 table_ = Xbyak::util::rsi;   // the first row side by side
  const Reg64 hidden_ = Xbyak::util::rdx;  // the first hidden row side by side
  const Reg64 logits_ = Xbyak::util::rcx;  // of that hidden row
  const Reg64 row_ = Xbyak::util::r8;      // of the head
  const Reg64 end_ = Xbyak::util::r9;
  const Reg64 left_ = Xbyak::util::r10;           // hidden rows
  const Reg64 groups_ = Xbyak::util::r11;         // left
  const Reg64 weights_ = Xbyak::util::r12;        // of the group
  const Reg64 columns_ = Xbyak::util::r13;        // hidden of the group
  const Reg64 stride_ = Xbyak::util::r14;         // bytes of a row of the head
  const Reg64 hidden_stride_ = Xbyak::util::r15;  // bytes of a hidden row
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
  mov(hidden_stride_, ptr[args_ + field(offsetof(HeadArgs, hidden_stride))]);
  shl(hidden_stride_, 2);
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
  mov(left_, ptr[args_ + field(offsetof(HeadArgs, rows))]);
  for (int hidden = hidden_rows_; hidden >= 1; --hidden) {
    Xbyak::Label again, fewer;
    L(again);
    cmp(left_, hidden);
    jl(fewer, T_NEAR);
    run_tile({.rows = count, .hidden = hidden});
    sub(left_, hidden);
    jmp(again, T_NEAR);
    L(fewer);
  }
  add(row_, count);
  for (int row = 0; row < count; ++row) add(table_, stride_);
}

// The logits of a tile, and on to the hidden rows behind it.
void HeadProgram::run_tile(const Tile& tile) {
  for (int h = 0; h < tile.hidden; ++h)
    for (int row = 0; row < tile.rows; ++row)
      for (int j = 0; j < per_row_; ++j) clear(sum(row, h, j));
  mov(weights_, table_);
  mov(columns_, hidden_);
  repeat(groups_, spec_.k / kGroup, [&] {
    add_group(tile);
    prefetch_group(tile.rows);
    add(weights_, kGroup * element_bytes());
    add(columns_, kGroup * 4);
  });
  if (rest() > 0) add_rest(tile);
  mov(rax, ptr[args_ + field(offsetof(HeadArgs, logits_stride))]);
  for (int hidden = 0; hidden < tile.hidden; ++hidden) {
    for (int row = 0; row < tile.rows; ++row) fold(row, hidden);
    lea(logits_, ptr[logits_ + 4 * rax]);
    add(hidden_, hidden_stride_);
  }
}

void HeadProgram::clear(const Xmm& sum) {
  if (wide_) {
    vpxord(sum, sum, sum);
  } else {
    vpxor(sum, sum, sum);
  }
}

void HeadProgram::add_group(const Tile& tile) {
  for (int j = 0; j < per_row_; ++j) {
    for (int row = 0; row < tile.rows; ++row) load_weights(row, j * width_);
    for (int h = 0; h < tile.hidden; ++h) {
      vmovups(hidden(), ptr[hidden_at(h, j * width_)]);
      for (int row = 0; row < tile.rows; ++row) vfmadd231ps(sum(row, h, j), hidden(), weights(row));
    }
  }
}

// The same columns of the rows of the head behind these.
void HeadProgram::prefetch_group(int rows) {
  lea(rax, ptr[weights_ + stride_]);
  if (rows > 1) lea(rax, ptr[rax + stride_]);
  for (int row = 0; row < rows; ++row) {
    if (row > 0) add(rax, stride_);
    for (int at = 0; at < kGroup * element_bytes(); at += kLineBytes) prefetcht0(ptr[rax + at]);
  }
}

// Columns beyond the last whole group.
void HeadProgram::add_rest(const Tile& tile) {
  for (int j = 0; j * width_ < rest(); ++j) {
    const int columns = std::min(width_, rest() - j * width_);
    const bool is_whole = columns == width_;
    for (int row = 0; row < tile.rows; ++row) {
      if (is_whole) {
        load_weights(row, j * width_);
      } else {
        load_first_weights(row, j * width_, columns);
      }
    }
    for (int h = 0; h < tile.hidden; ++h) {
      load_hidden(h, j * width_, is_whole);
      for (int row = 0; row < tile.rows; ++row) add_product(sum(row, h, j), weights(row), is_whole);
    }
  }
}

void HeadProgram::load_hidden(int row, int column, bool is_whole) {
  const auto from = ptr[hidden_at(row, column)];
  if (is_whole) {
    vmovups(hidden(), from);
  } else if (wide_) {
    vmovups(hidden() | present() | T_z, from);
  } else {
    vmaskmovps(hidden(), mask(), from);
  }
}

// Lanes without a column stay as they are.
void HeadProgram::add_product(const Xmm& sum, const Xmm& weights, bool is_whole) {
  if (is_whole) {
    vfmadd231ps(sum, hidden(), weights);
  } else if (wide_) {
    vfmadd231ps(sum | present(), hidden(), weights);
  } else {
    vmovaps(kept(), sum);
    vfmadd231ps(sum, hidden(), weights);
    vblendvps(sum, kept(), sum, mask());
  }
}

Xbyak::RegExp HeadProgram::weights_at(int row, int column) const {
  const int at = column * element_bytes();
  return row == 0 ? weights_ + at : weights_ + stride_ + at;
}

Xbyak::RegExp HeadProgram::hidden_at(int row, int column) const {
  const int at = column * 4;
  return row == 0 ? columns_ + at : columns_ + hidden_stride_ * row + at;
}

// A vector of weights of `row`, widened.
void HeadProgram::load_weights(int row, int column) {
  const Xmm to = weights(row);
  const auto from = ptr[weights_at(row, column)];
  switch (spec_.type) {
    case FloatType::kF32: vmovups(to, from); break;
    case FloatType::kF16: vcvtph2ps(to, from); break;
    case FloatType::kBf16:
      vpmovzxwd(to, from);
      vpslld(to, to, 16);
      break;
  }
}

// The first `count` of them, nothing behind them being read; what the other lanes hold is not used.
void HeadProgram::load_first_weights(int row, int column, int count) {
  const Xbyak::RegExp at = weights_at(row, column);
  if (wide_) {
    const Xmm to = weights(row) | present() | T_z;
    switch (spec_.type) {
      case FloatType::kF32: vmovups(to, ptr[at]); break;
      case FloatType::kF16: vcvtph2ps(to, ptr[at]); break;
      case FloatType::kBf16:
        vpmovzxwd(to, ptr[at]);
        vpslld(weights(row), weights(row), 16);
        break;
    }
    return;
  }
  if (spec_.type == FloatType::kF32) {
    vmaskmovps(weights(row), mask(), ptr[at]);
    return;
  }
  const Xmm bits(weights(row).getIdx());
  vpxor(bits, bits, bits);
  for (int i = 0; i < count; ++i)
    vpinsrw(bits, bits, ptr[at + i * element_bytes()], static_cast<uint8_t>(i));
  if (spec_.type == FloatType::kF16) {
    vcvtph2ps(weights(row), bits);
  } else {
    vpmovzxwd(weights(row), bits);
    vpslld(weights(row), weights(row), 16);
  }
}

// Lanes 32 and on join the lanes before them, then those from 16 on, until one is left: a logit.
void HeadProgram::fold(int row, int hidden_row) {
  for (int half = per_row_ / 2; half >= 1; half /= 2)
    for (int j = 0; j < half; ++j)
      vaddps(sum(row, hidden_row, j), sum(row, hidden_row, j), sum(row, hidden_row, j + half));
  const int i = sum(row, hidden_row, 0).getIdx();
  const Xmm total(i), upper(hidden().getIdx());
  if (wide_) {
    vextractf64x4(Ymm(upper.getIdx()), Zmm(i), 1);
    vaddps(Ymm(i), Ymm(i), Ymm(upper.getIdx()));
    vextractf32x4(upper, Ymm(i), 1);
  } else {
    vextractf128(upper, Ymm(i), 1);
  }
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
                                                  .revision = 2,
                                                  .program = x64::head_program<x64::kYmmFile>});
}

std::unique_ptr<Generator> make_x64_head_avx512() {
  return x64::make_operation_generator<HeadSpec>({.name = "x64_head_avx512",
                                                  .suffix = "avx512",
                                                  .isa = Isa::kAvx512Vnni,
                                                  .revision = 2,
                                                  .program = x64::head_program<x64::kZmmFile>});
}

}  // namespace bitnetc
