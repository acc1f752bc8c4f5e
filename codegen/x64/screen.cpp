// screen.cpp     estimates of logits from codes of 4 or 2 bits, AVX2, AVX-VNNI, AVX-512 VNNI
//
// Shapes     ScreenArgs; any N, K <= 2^17, 1 to 8 hidden rows
// Tile       rows of the head side by side, each with a sum over `high` and one over `low`:
//            VNNI     4 rows: 8 sums + codes + plane + mask = 11 vectors, as many chains of
//                     vpdpbusd as hide its latency
//            AVX2     2 rows: 4 sums + 4 sums of words + codes + plane + mask + ones + product = 13
//            rows that are left over go one by one
// Work       per vector of codes and hidden row: and, and a shift for all but the first field of a
//            byte; per field two vpdpbusd, or two vpmaddubsw and vpaddw
//            VNNI, coarse: 1 load + 3 + 4 vpdpbusd for two codes per byte: 3.5 cycles on two ports
//            per 64 bytes of codes, which is less than memory takes
// Exactness  vpdpbusd does not saturate. vpmaddubsw: two products of at most 15 * 128 in
//            magnitude; a block of 256 columns joins a word eight times: 8 * 2 * 15 * 128 = 30720.
//            Sums in words become i32 after every block; |i32| < 2^31 for K <= 2^17 (ScreenSpec).
//            The floats at the end are single operations in the order of the reference.
// Layout     docs/operations/screen.md          Reference  codegen/reference/tables.cpp
#include <cstddef>

#include "codegen/x64/x64_generator.h"
#include "codegen/x64/x64_generators.h"

namespace bitnetc {
namespace x64 {
namespace {

using Xbyak::Reg64;
using Xbyak::Xmm;
using Xbyak::Ymm;

struct ScreenTier {
  VectorFile vectors;
  bool has_dot;  // vpdpbusd
  Xbyak::PreferredEncoding encoding;
  int rows;  // of the head, side by side: what the registers hold
};
constexpr ScreenTier kScreenAvx2{
    .vectors = kYmmFile, .has_dot = false, .encoding = Xbyak::VexEncoding, .rows = 2};
constexpr ScreenTier kScreenAvxVnni{
    .vectors = kYmmFile, .has_dot = true, .encoding = Xbyak::VexEncoding, .rows = 4};
constexpr ScreenTier kScreenAvx512{
    .vectors = kZmmFile, .has_dot = true, .encoding = Xbyak::EvexEncoding, .rows = 4};

class ScreenProgram final : public X64Code {
 public:
  ScreenProgram(const ScreenTier& tier, const ScreenSpec& spec)
      : X64Code(tier.vectors), tier_(tier), spec_(spec) {}

 private:
  enum Half { kHigh, kLow };
  static constexpr Half kHalves[] = {kHigh, kLow};

  // Register map. Sums of words and what they need exist without vpdpbusd only.
  Xmm sum(int row, Half half) const { return vec(half * tier_.rows + row); }
  Xmm words(int row, Half half) const { return vec(2 * tier_.rows + half * tier_.rows + row); }
  int helpers() const { return (tier_.has_dot ? 2 : 4) * tier_.rows; }
  Xmm codes() const { return vec(helpers()); }
  Xmm plane() const { return vec(helpers() + 1); }
  Xmm mask() const { return vec(helpers() + 2); }
  Xmm product() const { return vec(helpers() + 3); }
  Xmm ones() const { return vec(helpers() + 4); }

  int row_bytes() const { return static_cast<int>(spec_.row_bytes()); }
  int block_bytes() const { return static_cast<int>(spec_.block_bytes()); }

  void generate() override;
  void emit_data() override;
  void load_arguments();
  void run_rows(int count);
  void dot_block(int count);
  void dot_plane(int row, int at);
  void widen_words(int count);
  void fold(int count, Half half);
  void finish_sum(const Xmm& sums, Half half);
  void store(int count);
  void load(const Xmm& to, int count, const Xbyak::RegExp& from);

  const ScreenTier tier_;
  const ScreenSpec spec_;
  Xbyak::Label factor_256_, offset_;

  const Reg64 args_ = Xbyak::util::rdi;
  const Reg64 codes_ = Xbyak::util::rsi;  // of the first row side by side
  const Reg64 step_ = Xbyak::util::rdx;
  const Reg64 high_ = Xbyak::util::rcx;  // of the hidden row
  const Reg64 low_ = Xbyak::util::r8;    // behind `high_`: low = high_ + low_
  const Reg64 estimates_ = Xbyak::util::r9;
  const Reg64 row_ = Xbyak::util::r10;  // of the head
  const Reg64 end_ = Xbyak::util::r11;
  const Reg64 hidden_ = Xbyak::util::r12;  // number of the hidden row
  const Reg64 blocks_ = Xbyak::util::r13;  // left
  const Reg64 block_codes_ = Xbyak::util::r14;
  const Reg64 column_ = Xbyak::util::r15;  // `high` of the block
};

int argument(size_t offset) {
  return static_cast<int>(offset);
}

void ScreenProgram::generate() {
  prologue(0);
  load_arguments();
  broadcast(mask(), spec_.part == ScreenPart::kCoarse ? 0x0f0f0f0f : 0x03030303);
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
  finish();
}

void ScreenProgram::emit_data() {
  L(factor_256_);
  for (int i = 0; i < 4; ++i) dd(0x43800000);  // 256.0f
  L(offset_);
  for (int i = 0; i < 4; ++i) dd(static_cast<uint32_t>(spec_.offset()));
}

void ScreenProgram::load_arguments() {
  mov(row_, ptr[args_ + argument(offsetof(ScreenArgs, row_begin))]);
  mov(end_, ptr[args_ + argument(offsetof(ScreenArgs, row_end))]);
  imul(codes_, row_, row_bytes());
  add(codes_, ptr[args_ + argument(offsetof(ScreenArgs, codes))]);
  mov(step_, ptr[args_ + argument(offsetof(ScreenArgs, step))]);
}

// `count` rows of the head with every hidden row, and on to the next.
void ScreenProgram::run_rows(int count) {
  mov(high_, ptr[args_ + argument(offsetof(ScreenArgs, high))]);
  mov(low_, ptr[args_ + argument(offsetof(ScreenArgs, low))]);
  sub(low_, high_);
  mov(estimates_, ptr[args_ + argument(offsetof(ScreenArgs, estimates))]);
  xor_(hidden_, hidden_);
  Xbyak::Label next_hidden;
  L(next_hidden);
  for (int row = 0; row < count; ++row)
    for (const Half half : kHalves)
      vpxor(Xmm(sum(row, half).getIdx()), Xmm(sum(row, half).getIdx()),
            Xmm(sum(row, half).getIdx()));
  mov(block_codes_, codes_);
  mov(column_, high_);
  repeat(blocks_, spec_.padded_k() / kScreenBlock, [&] {
    dot_block(count);
    add(block_codes_, block_bytes());
    add(column_, static_cast<int>(kScreenBlock));
  });
  for (const Half half : kHalves) fold(count, half);
  store(count);
  mov(rax, ptr[args_ + argument(offsetof(ScreenArgs, q_stride))]);
  add(high_, rax);
  mov(rax, ptr[args_ + argument(offsetof(ScreenArgs, estimates_stride))]);
  lea(estimates_, ptr[estimates_ + 4 * rax]);
  inc(hidden_);
  cmp(hidden_, ptr[args_ + argument(offsetof(ScreenArgs, rows))]);
  jl(next_hidden, T_NEAR);
  add(row_, count);
  add(codes_, count * row_bytes());
}

// One block of columns of `count` rows. The same block of the rows that come next is prefetched.
void ScreenProgram::dot_block(int count) {
  if (!tier_.has_dot) {
    for (int row = 0; row < count; ++row)
      for (const Half half : kHalves) vpxor(words(row, half), words(row, half), words(row, half));
  }
  for (int at = 0; at < block_bytes(); at += tier_.vectors.bytes) {
    for (int row = 0; row < count; ++row) {
      const int from = row * row_bytes() + at;
      if (tier_.vectors.bytes == kZmmFile.bytes) {
        vmovdqu64(codes(), ptr[block_codes_ + from]);
      } else {
        vmovdqu(codes(), ptr[block_codes_ + from]);
      }
      if (at % 64 == 0) prefetcht0(ptr[block_codes_ + from + count * row_bytes()]);
      dot_plane(row, at);
    }
  }
  if (!tier_.has_dot) widen_words(count);
}

// Every field of the codes at byte `at` of a block.
void ScreenProgram::dot_plane(int row, int at) {
  const bool wide = tier_.vectors.bytes == kZmmFile.bytes;
  for (int field = 0; field < spec_.codes_per_byte(); ++field) {
    const Xmm from = field == 0 ? codes() : plane();
    if (field > 0) vpsrlw(plane(), codes(), static_cast<uint8_t>(field * spec_.code_bits()));
    if (wide) {
      vpandd(plane(), from, mask());
    } else {
      vpand(plane(), from, mask());
    }
    const int column = field * block_bytes() + at;
    for (const Half half : kHalves) {
      const auto q = half == kHigh ? ptr[column_ + column] : ptr[column_ + low_ + column];
      if (tier_.has_dot) {
        vpdpbusd(sum(row, half), plane(), q, tier_.encoding);
      } else {
        vpmaddubsw(product(), plane(), q);
        vpaddw(words(row, half), words(row, half), product());
      }
    }
  }
}

void ScreenProgram::widen_words(int count) {
  for (int row = 0; row < count; ++row) {
    for (const Half half : kHalves) {
      vpmaddwd(words(row, half), words(row, half), ones());
      vpaddd(sum(row, half), sum(row, half), words(row, half));
    }
  }
}

// The sums of all lanes, row r's in lane r of the first row's register.
void ScreenProgram::fold(int count, Half half) {
  const Xmm rest(codes().getIdx());
  for (int row = 0; row < count; ++row) {
    const int i = sum(row, half).getIdx();
    if (tier_.vectors.bytes == kZmmFile.bytes) {
      vextracti64x4(Ymm(rest.getIdx()), Xbyak::Zmm(i), 1);
      vpaddd(Ymm(i), Ymm(i), Ymm(rest.getIdx()));
    }
    vextracti128(rest, Ymm(i), 1);
    vpaddd(Xmm(i), Xmm(i), rest);
  }
  const auto low_half = [&](int row) { return Xmm(sum(row < count ? row : 0, half).getIdx()); };
  vphaddd(low_half(0), low_half(0), low_half(1));
  if (count > 2) vphaddd(low_half(2), low_half(2), low_half(3));
  vphaddd(low_half(0), low_half(0), low_half(2));
  finish_sum(low_half(0), half);
}

// factor * sum - offset * (sum of the hidden row), as a float.
void ScreenProgram::finish_sum(const Xmm& sums, Half half) {
  const Xmm total(codes().getIdx());
  const size_t offset =
      half == kHigh ? offsetof(ScreenArgs, high_sum) : offsetof(ScreenArgs, low_sum);
  mov(rax, ptr[args_ + argument(offset)]);
  vpbroadcastd(total, ptr[rax + 4 * hidden_]);
  vpmulld(total, total, ptr[rip + offset_]);
  vpslld(sums, sums, spec_.part == ScreenPart::kCoarse ? 3 : 1);  // the factor
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

void ScreenProgram::store(int count) {
  const Xmm value(sum(0, kHigh).getIdx()), low(sum(0, kLow).getIdx());
  const Xmm step(codes().getIdx()), scale(plane().getIdx());
  vfmadd132ps(value, low, ptr[rip + factor_256_]);
  load(step, count, step_ + 4 * row_);
  mov(rax, ptr[args_ + argument(offsetof(ScreenArgs, scale))]);
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
       .revision = 1,
       .program = x64::screen_program<x64::kScreenAvx2>});
}

std::unique_ptr<Generator> make_x64_screen_avxvnni() {
  return x64::make_operation_generator<ScreenSpec>(
      {.name = "x64_screen_avxvnni",
       .suffix = "avxvnni",
       .isa = Isa::kAvxVnni,
       .revision = 1,
       .program = x64::screen_program<x64::kScreenAvxVnni>});
}

std::unique_ptr<Generator> make_x64_screen_avx512vnni() {
  return x64::make_operation_generator<ScreenSpec>(
      {.name = "x64_screen_avx512vnni",
       .suffix = "avx512vnni",
       .isa = Isa::kAvx512Vnni,
       .revision = 1,
       .program = x64::screen_program<x64::kScreenAvx512>});
}

}  // namespace bitnetc
