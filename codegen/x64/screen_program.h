// Estimates of logits by dot products in vector registers (screen_program.cpp), and what a program
// that does a part of them otherwise builds on.
#pragma once

#include <bit>
#include <cstddef>
#include <cstdint>

#include "codegen/operations/screen.h"
#include "codegen/x64/x64_code.h"

namespace bitnetc::x64 {

struct ScreenTier {
  VectorFile vectors;
  bool has_dot;  // vpdpbusd
  Xbyak::PreferredEncoding encoding;
  int rows;         // of the head, side by side: what the registers hold
  int hidden_rows;  // side by side
};
inline constexpr ScreenTier kScreenAvx2{.vectors = kYmmFile,
                                        .has_dot = false,
                                        .encoding = Xbyak::VexEncoding,
                                        .rows = 2,
                                        .hidden_rows = 1};
inline constexpr ScreenTier kScreenAvxVnni{.vectors = kYmmFile,
                                           .has_dot = true,
                                           .encoding = Xbyak::VexEncoding,
                                           .rows = 4,
                                           .hidden_rows = 1};
inline constexpr ScreenTier kScreenAvx512{.vectors = kZmmFile,
                                          .has_dot = true,
                                          .encoding = Xbyak::EvexEncoding,
                                          .rows = 4,
                                          .hidden_rows = 3};

class ScreenProgram : public X64Code {
 public:
  ScreenProgram(const ScreenTier& tier, const ScreenSpec& spec)
      : X64Code(tier.vectors), spec_(spec), tier_(tier) {}

 protected:
  using Reg64 = Xbyak::Reg64;
  using Xmm = Xbyak::Xmm;
  enum Half { kHigh, kLow };
  static constexpr Half kHalves[] = {kHigh, kLow};

  void generate() override;
  void emit_data() override;
  // What run_all_rows() wants in registers.
  void load_arguments();
  // Rows of the head from `row_` up to `end_`, with every hidden row.
  void run_all_rows();

  int row_bytes() const { return static_cast<int>(spec_.row_bytes()); }
  int block_bytes() const { return static_cast<int>(spec_.block_bytes()); }
  static int field(size_t offset) { return static_cast<int>(offset); }
  // Of a sum of codes, as a shift to the left.
  int log2_factor() const { return std::countr_zero(static_cast<uint32_t>(spec_.factor())); }
  uint32_t code_mask() const { return 0x01010101 * ((1U << spec_.code_bits()) - 1); }

  const ScreenSpec spec_;
  Xbyak::Label factor_256_, offset_;  // each four times

  const Reg64 args_ = Xbyak::util::rdi;
  const Reg64 codes_ = Xbyak::util::rsi;  // of the first row side by side
  const Reg64 step_ = Xbyak::util::rdx;
  const Reg64 row_ = Xbyak::util::r10;  // of the head
  const Reg64 end_ = Xbyak::util::r11;
  const Reg64 q_stride_ = Xbyak::util::rbx;  // bytes of a hidden row

 private:
  struct Tile {
    int rows;    // of the head
    int hidden;  // rows
  };

  // Register map. Sums of words and what they need exist without vpdpbusd only.
  Xmm sum(int row, int hidden, Half half) const {
    return vec((2 * hidden + half) * tier_.rows + row);
  }
  Xmm words(int row, Half half) const { return vec((2 + half) * tier_.rows + row); }
  int helpers() const { return (tier_.has_dot ? 2 * tier_.hidden_rows : 4) * tier_.rows; }
  Xmm codes() const { return vec(helpers()); }
  Xmm plane() const { return vec(helpers() + 1); }
  Xmm mask() const { return vec(helpers() + 2); }
  Xmm product() const { return vec(helpers() + 3); }
  Xmm ones() const { return vec(helpers() + 4); }

  bool is_wide() const { return tier_.vectors.bytes == kZmmFile.bytes; }

  void clear(const Xmm& sum);
  void run_rows(int count);
  void run_tile(const Tile& tile);
  void dot_block(const Tile& tile);
  void dot_codes(const Tile& tile, int row, int at);
  void add_product(int row, int hidden, Half half, int column);
  void widen_words(int count);
  void fold(int count, int hidden, Half half);
  void add_pairs(const Xmm& a, const Xmm& b);
  void finish_sum(const Xmm& sums, Half half);
  void store(int count, int hidden);
  void load(const Xmm& to, int count, const Xbyak::RegExp& from);

  const ScreenTier tier_;

  const Reg64 high_ = Xbyak::util::rcx;  // of the first hidden row side by side
  const Reg64 low_ = Xbyak::util::r8;    // behind `high_`: low = high_ + low_
  const Reg64 estimates_ = Xbyak::util::r9;
  const Reg64 hidden_ = Xbyak::util::r12;  // number of the first hidden row side by side
  const Reg64 blocks_ = Xbyak::util::r13;  // left
  const Reg64 block_codes_ = Xbyak::util::r14;
  const Reg64 column_ = Xbyak::util::r15;  // `high` of the block
  const Reg64 low_column_ = Xbyak::util::rax;
};

}  // namespace bitnetc::x64
