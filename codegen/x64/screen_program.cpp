// screen_program.cpp     estimates of logits from codes of 4 or 2 bits, AVX2, AVX-VNNI, AVX-512
//
// Shapes     ScreenArgs; any N, K <= 2^17, 1 to 16 hidden rows
// Tile       rows of the head and hidden rows side by side, each pair with a sum over `high` and
//            one over `low`:
//            AVX-512  4 rows, 3 hidden rows: 24 sums + codes + plane + mask = 27 zmm
//            AVX-VNNI 4 rows, 1 hidden row: 8 sums + codes + plane + mask = 11 ymm, as many chains
//                     of vpdpbusd as hide its latency
//            AVX2     2 rows, 1 hidden row: 4 sums + 4 sums of words + codes + plane + mask + ones
//                     + product = 13 ymm
//            rows that are left over go one by one, hidden rows in smaller tiles
// Work       per vector of codes of a tile: an and per field, and a shift for all but the first;
//            per field and hidden row two vpdpbusd, or two vpmaddubsw and vpaddw
//            VNNI, coarse: 1 load + 3 + 4 vpdpbusd for two codes per byte: 3.5 cycles on two ports
//            per 64 bytes of codes, which is less than memory takes; 3 hidden rows: 7.5 cycles
// Exactness  vpdpbusd does not saturate. vpmaddubsw: two products of at most 15 * 128 in
//            magnitude; a block of 256 columns joins a word eight times: 8 * 2 * 15 * 128 = 30720.
//            Sums in words become i32 after every block; |i32| < 2^31 for K <= 2^17 (ScreenSpec).
//            The floats at the end are single operations in the order of the reference.
// Layout     docs/operations/screen.md          Reference  codegen/reference/tables.cpp
#include "codegen/x64/screen_program.h"

#include "codegen/x64/x64_generator.h"
#include "codegen/x64/x64_generators.h"

namespace bitnetc {
namespace x64 {

using Xbyak::Xmm;
using Xbyak::Ymm;

void ScreenProgram::generate() {
  prologue(0);
  load_arguments();
  run_all_rows();
  finish();
}

void ScreenProgram::run_all_rows() {
  broadcast(mask(), code_mask());
  if (!tier_.has_dot) broadcast(ones(), 0x00010001);
  Xbyak::Label side_by_side, alone, done;
  L(side_by_side);
  lea(rax, ptr[row_ + tier_.rows]);
  cmp(rax, end_);
  jg(alone, T_NEAR);
  run_rows(tier_.rows);
  jmp(side_by_side, T_NEAR);
  L(alone);
  cmp(row_, end_);
  jge(done, T_NEAR);
  run_rows(1);
  jmp(alone, T_NEAR);
  L(done);
}

void ScreenProgram::emit_data() {
  L(factor_256_);
  for (int i = 0; i < 4; ++i) dd(0x43800000);  // 256.0f
  L(offset_);
  for (int i = 0; i < 4; ++i) dd(static_cast<uint32_t>(spec_.offset()));
}

void ScreenProgram::load_arguments() {
  mov(row_, ptr[args_ + field(offsetof(ScreenArgs, row_begin))]);
  mov(end_, ptr[args_ + field(offsetof(ScreenArgs, row_end))]);
  imul(codes_, row_, row_bytes());
  add(codes_, ptr[args_ + field(offsetof(ScreenArgs, codes))]);
  mov(step_, ptr[args_ + field(offsetof(ScreenArgs, step))]);
  mov(q_stride_, ptr[args_ + field(offsetof(ScreenArgs, q_stride))]);
}

void ScreenProgram::clear(const Xmm& sum) {
  if (is_wide()) {
    vpxord(sum, sum, sum);
  } else {
    vpxor(sum, sum, sum);
  }
}

// `count` rows of the head with every hidden row, and on to the next.
void ScreenProgram::run_rows(int count) {
  mov(high_, ptr[args_ + field(offsetof(ScreenArgs, high))]);
  mov(low_, ptr[args_ + field(offsetof(ScreenArgs, low))]);
  sub(low_, high_);
  mov(estimates_, ptr[args_ + field(offsetof(ScreenArgs, estimates))]);
  xor_(hidden_, hidden_);
  for (int hidden = tier_.hidden_rows; hidden >= 1; --hidden) {
    Xbyak::Label again, fewer;
    L(again);
    lea(rax, ptr[hidden_ + hidden]);
    cmp(rax, ptr[args_ + field(offsetof(ScreenArgs, rows))]);
    jg(fewer, T_NEAR);
    run_tile({.rows = count, .hidden = hidden});
    jmp(again, T_NEAR);
    L(fewer);
  }
  add(row_, count);
  add(codes_, count * row_bytes());
}

// The estimates of a tile, and on to the hidden rows behind it.
void ScreenProgram::run_tile(const Tile& tile) {
  for (int hidden = 0; hidden < tile.hidden; ++hidden)
    for (int row = 0; row < tile.rows; ++row)
      for (const Half half : kHalves) clear(sum(row, hidden, half));
  mov(block_codes_, codes_);
  mov(column_, high_);
  repeat(blocks_, spec_.padded_k() / kScreenBlock, [&] {
    dot_block(tile);
    add(block_codes_, block_bytes());
    add(column_, static_cast<int>(kScreenBlock));
  });
  for (int hidden = 0; hidden < tile.hidden; ++hidden) {
    for (const Half half : kHalves) fold(tile.rows, hidden, half);
    store(tile.rows, hidden);
    add(high_, q_stride_);
    mov(rax, ptr[args_ + field(offsetof(ScreenArgs, estimates_stride))]);
    lea(estimates_, ptr[estimates_ + 4 * rax]);
    inc(hidden_);
  }
}

// One block of columns of a tile. The same block of the rows of the head that come next is
// prefetched.
void ScreenProgram::dot_block(const Tile& tile) {
  lea(low_column_, ptr[column_ + low_]);
  if (!tier_.has_dot) {
    for (int row = 0; row < tile.rows; ++row)
      for (const Half half : kHalves) clear(words(row, half));
  }
  for (int at = 0; at < block_bytes(); at += tier_.vectors.bytes) {
    for (int row = 0; row < tile.rows; ++row) {
      const int from = row * row_bytes() + at;
      if (is_wide()) {
        vmovdqu64(codes(), ptr[block_codes_ + from]);
      } else {
        vmovdqu(codes(), ptr[block_codes_ + from]);
      }
      if (at % 64 == 0) prefetcht0(ptr[block_codes_ + from + tile.rows * row_bytes()]);
      dot_codes(tile, row, at);
    }
  }
  if (!tier_.has_dot) widen_words(tile.rows);
}

// Every field of the codes at byte `at` of a block, with all hidden rows of the tile.
void ScreenProgram::dot_codes(const Tile& tile, int row, int at) {
  for (int i = 0; i < spec_.codes_per_byte(); ++i) {
    const Xmm from = i == 0 ? codes() : plane();
    if (i > 0) vpsrlw(plane(), codes(), static_cast<uint8_t>(i * spec_.code_bits()));
    if (is_wide()) {
      vpandd(plane(), from, mask());
    } else {
      vpand(plane(), from, mask());
    }
    for (int hidden = 0; hidden < tile.hidden; ++hidden)
      for (const Half half : kHalves) add_product(row, hidden, half, i * block_bytes() + at);
  }
}

// The plane with the columns from `column` of the block on.
void ScreenProgram::add_product(int row, int hidden, Half half, int column) {
  Xbyak::RegExp at = (half == kHigh ? column_ : low_column_) + column;
  if (hidden > 0) at = at + q_stride_ * hidden;
  if (tier_.has_dot) {
    vpdpbusd(sum(row, hidden, half), plane(), ptr[at], tier_.encoding);
  } else {
    vpmaddubsw(product(), plane(), ptr[at]);
    vpaddw(words(row, half), words(row, half), product());
  }
}

void ScreenProgram::widen_words(int count) {
  for (int row = 0; row < count; ++row) {
    for (const Half half : kHalves) {
      vpmaddwd(words(row, half), words(row, half), ones());
      vpaddd(sum(row, 0, half), sum(row, 0, half), words(row, half));
    }
  }
}

// The sums of all lanes, row r's in lane r of the first row's register, as floats.
void ScreenProgram::fold(int count, int hidden, Half half) {
  const Xmm rest(codes().getIdx());
  for (int row = 0; row < count; ++row) {
    const int i = sum(row, hidden, half).getIdx();
    if (is_wide()) {
      vextracti64x4(Ymm(rest.getIdx()), Xbyak::Zmm(i), 1);
      vpaddd(Ymm(i), Ymm(i), Ymm(rest.getIdx()));
      vextracti32x4(rest, Ymm(i), 1);
    } else {
      vextracti128(rest, Ymm(i), 1);
    }
    vpaddd(Xmm(i), Xmm(i), rest);
  }
  const auto quarter = [&](int row) {
    return Xmm(sum(row < count ? row : 0, hidden, half).getIdx());
  };
  add_pairs(quarter(0), quarter(1));
  if (count > 2) add_pairs(quarter(2), quarter(3));
  add_pairs(quarter(0), quarter(2));
  finish_sum(quarter(0), half);
}

// a = {a0 + a1, a2 + a3, b0 + b1, b2 + b3}; vphaddd does not reach registers 16 to 31.
void ScreenProgram::add_pairs(const Xmm& a, const Xmm& b) {
  if (!is_wide()) {
    vphaddd(a, a, b);
    return;
  }
  const Xmm odd(plane().getIdx());
  vshufps(odd, a, b, 0b11'01'11'01);
  vshufps(a, a, b, 0b10'00'10'00);
  vpaddd(a, a, odd);
}

// factor * sum - offset * (sum of the hidden row), as a float.
void ScreenProgram::finish_sum(const Xmm& sums, Half half) {
  const Xmm total(codes().getIdx());
  const size_t offset =
      half == kHigh ? offsetof(ScreenArgs, high_sum) : offsetof(ScreenArgs, low_sum);
  mov(rax, ptr[args_ + field(offset)]);
  vpbroadcastd(total, ptr[rax + 4 * hidden_]);
  vpmulld(total, total, ptr[rip + offset_]);
  vpslld(sums, sums, static_cast<uint8_t>(log2_factor()));
  vpsubd(sums, sums, total);
  vcvtdq2ps(sums, sums);
}

void ScreenProgram::load(const Xmm& to, int count, const Xbyak::RegExp& from) {
  if (count == 4) {
    vmovups(to, ptr[from]);
  } else if (count == 2) {
    vmovsd(to, ptr[from]);
  } else {
    vmovss(to, ptr[from]);
  }
}

void ScreenProgram::store(int count, int hidden) {
  const Xmm value(sum(0, hidden, kHigh).getIdx()), low(sum(0, hidden, kLow).getIdx());
  const Xmm step(codes().getIdx()), scale(plane().getIdx());
  vfmadd132ps(value, low, ptr[rip + factor_256_]);
  load(step, count, step_ + 4 * row_);
  mov(rax, ptr[args_ + field(offsetof(ScreenArgs, scale))]);
  vbroadcastss(scale, ptr[rax + 4 * hidden_]);
  vmulps(step, step, scale);
  vmulps(value, value, step);
  const Xbyak::RegExp to = estimates_ + 4 * row_;
  if (spec_.part == ScreenPart::kFine) {
    load(step, count, to);
    vaddps(value, step, value);
  }
  if (count == 4) {
    vmovups(ptr[to], value);
  } else if (count == 2) {
    vmovsd(ptr[to], value);
  } else {
    vmovss(ptr[to], value);
  }
}

namespace {

template <const ScreenTier& kTier>
std::unique_ptr<X64Code> screen_program(const ScreenSpec& spec) {
  return std::make_unique<ScreenProgram>(kTier, spec);
}

}  // namespace
}  // namespace x64

std::unique_ptr<Generator> make_x64_screen_avx2() {
  return x64::make_operation_generator<ScreenSpec>(
      {.name = "x64_screen_avx2",
       .suffix = "avx2",
       .isa = Isa::kAvx2,
       .revision = 2,
       .program = x64::screen_program<x64::kScreenAvx2>});
}

std::unique_ptr<Generator> make_x64_screen_avxvnni() {
  return x64::make_operation_generator<ScreenSpec>(
      {.name = "x64_screen_avxvnni",
       .suffix = "avxvnni",
       .isa = Isa::kAvxVnni,
       .revision = 2,
       .program = x64::screen_program<x64::kScreenAvxVnni>});
}

std::unique_ptr<Generator> make_x64_screen_avx512vnni() {
  return x64::make_operation_generator<ScreenSpec>(
      {.name = "x64_screen_avx512vnni",
       .suffix = "avx512vnni",
       .isa = Isa::kAvx512Vnni,
       .revision = 2,
       .program = x64::screen_program<x64::kScreenAvx512>});
}

}  // namespace bitnetc
