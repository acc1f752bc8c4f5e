// decode_b3.cpp     b3 blocks to panels: windows of digits by multiplication, then look-ups
//
// A word is the fraction 0.d0 d1 .. d9 to base 3. Multiplied by 3^j modulo 2^16 it starts with digit j;
// the high half of its product with 3^n is then the number that the digits j .. j+n-1 make, a "window". With
// 3^n * 256 that number comes in the high byte, so two windows join in a word.
//
//   group      0        1        2        3        4             digits of words A and B in a dword
//   bytes     0 3      1 4      2 5      6 6      7 7            for 0..2: A A B B
//             0 3      1 4      2 5      9 9      8 8            for 3, 4: A B A B
//
// zmm (VBMI)  Windows of three: (0 1 2 | 3 4 5) in the bytes of a word for groups 0..2, (6 7 8 | 7 8 9) for
//             groups 3 and 4. Group 4 is the middle digit of both. Group 3 is the first of the one and the
//             last of the other: a look-up by vpermb takes six bits, the sixth says which.
// ymm         Windows of two, nine values, so that a vpshufb looks up a digit: (2j 2j+1) of A and of B in
//             the bytes of a word. Digits of the same number pair up; bytes or words of two such pairs
//             interleave to a group.
//
// Block      20 columns of 16 rows: 64 bytes -> 5 groups, 320 weights
// Work       vector operations for a block, multiplications and shuffles among them (unpacks too), stores:
//            zmm  17   7   7   5
//            ymm  50  18  22  10
// Bound      zmm: the store of 64 bytes a cycle, 5 cycles; where two ports do all at 512 bits, as on Intel
//            cores, the operations, 8.5 cycles. ymm: the operations, on three or four ports.
//            AMD EPYC Zen 5: 5.8 and 15.4 cycles a block, from L2 210 and 83 Gweights/s
// Exactness  A word is rounded up from its ten digits by less than 2^-16. Multiplied by 3^j modulo 2^16 it
//            exceeds the digits from j on by less than 3^j * 2^-16. They are a multiple of 3^(j-10), so the
//            next value of a window, and 1 itself, is at least 3^(j-10) away, which is more: 2^16 > 3^10.
// Layout     docs/layouts/b3.md
#include "codegen/x64/panel/decoder_parts.h"

namespace bitnetc::x64 {
namespace {

using Xbyak::Ymm;
using Xbyak::Zmm;

constexpr int kDigits = 10;

constexpr unsigned power_of_3(int exponent) {
  unsigned power = 1;
  for (int i = 0; i < exponent; ++i) power *= 3;
  return power;
}

// The digit that a window of `digits` digits has at place t, for a byte that holds a window.
uint8_t digit_of_window(int window, int digits, int t) {
  return static_cast<uint8_t>(static_cast<unsigned>(window) / power_of_3(digits - 1 - t) % 3);
}

class B3DecoderZmm final : public WordDecoder<PanelDecoder> {
 public:
  B3DecoderZmm() : WordDecoder(b3_format(), kZmmFile) {
    constants_.add_words(low_bytes_, 0x00ff);
    constants_.add(word_by_word_, [](int i) { return source_byte(DwordOrder::kWordByWord, i); });
    constants_.add(byte_by_byte_, [](int i) { return source_byte(DwordOrder::kByteByByte, i); });
    constants_.add_words(window_, power_of_3(kWindow));
    constants_.add_words(window_in_high_byte_, power_of_3(kWindow) << 8);
    constants_.add_words(from_digit_6_, power_of_3(6));
    constants_.add_words(from_digit_7_, power_of_3(7));
    constants_.add(second_half_, [](int i) { return i % 4 < 2 ? 0 : kHalfTable; });
    constants_.add(first_or_last_,
                   [](int i) { return i < kHalfTable ? entry(i, 0) : entry(i, 2); });
    constants_.add(middle_, [](int i) { return entry(i, 1); });
    constants_.add(last_, [](int i) { return entry(i, 2); });
  }

  void decode_block(Xbyak::CodeGenerator& code, const Xbyak::RegExp& w,
                    const Xbyak::RegExp& panel) override {
    code.vmovups(words_, code.ptr[w]);
    join_windows_0_and_3(code);
    code.vpermb(indices_, word_by_word_, high_);
    look_up(code, first_or_last_, group_at(panel, 0));
    look_up(code, middle_, group_at(panel, 1));
    look_up(code, last_, group_at(panel, 2));
    join_windows_6_and_7(code);
    code.vpermb(indices_, byte_by_byte_, high_);
    code.vpord(indices_, indices_, second_half_);
    look_up(code, first_or_last_, group_at(panel, 3));
    look_up(code, middle_, group_at(panel, 4));
  }

 private:
  static constexpr int kWindow = 3;
  static constexpr int kHalfTable = 32;
  static uint8_t entry(int i, int t) { return digit_of_window(i % kHalfTable, kWindow, t); }

  void join_windows_0_and_3(Xbyak::CodeGenerator& code) {
    code.vpmulhuw(low_, words_, window_);
    code.vpmullw(high_, words_, window_);  // 27 is 3^3 as well
    code.vpmulhuw(high_, high_, window_in_high_byte_);
    take_low_bytes(code, high_, low_, low_bytes_);
  }

  void join_windows_6_and_7(Xbyak::CodeGenerator& code) {
    code.vpmullw(low_, words_, from_digit_6_);
    code.vpmulhuw(low_, low_, window_);
    code.vpmullw(high_, words_, from_digit_7_);
    code.vpmulhuw(high_, high_, window_in_high_byte_);
    take_low_bytes(code, high_, low_, low_bytes_);
  }

  void look_up(Xbyak::CodeGenerator& code, const Zmm& table, const Xbyak::RegExp& group) {
    code.vpermb(codes_, indices_, table);
    code.vmovups(code.ptr[group], codes_);
  }

  const Zmm low_bytes_{0}, word_by_word_{1}, byte_by_byte_{2};
  const Zmm window_{3}, window_in_high_byte_{4}, from_digit_6_{5}, from_digit_7_{6};
  const Zmm second_half_{7}, first_or_last_{8}, middle_{9}, last_{10};
  const Zmm words_{11}, low_{12}, high_{13}, indices_{14}, codes_{15};
};

class B3DecoderYmm final : public WordDecoder<PanelDecoder> {
 public:
  B3DecoderYmm() : WordDecoder(b3_format(), kYmmFile) {
    constants_.add_words(window_, power_of_3(kWindow));
    constants_.add_words(window_in_high_byte_, power_of_3(kWindow) << 8);
    constants_.add_words(high_bytes_, 0xff00);
    for (int t = 0; t < kWindow; ++t) {
      constants_.add(table(t), [t](int i) { return digit_of_window(i % 16, kWindow, t); });
    }
    for (int digit = 4; digit < kDigits; digit += kWindow)
      constants_.add_words(from_digit(digit), power_of_3(digit));
  }

  void decode_block(Xbyak::CodeGenerator& code, const Xbyak::RegExp& w,
                    const Xbyak::RegExp& panel) override {
    load_cell_for_unpack(code, a_, w);
    load_cell_for_unpack(code, b_, w + static_cast<int>(kCellBytes));
    decode_digits(code, 0, d_[0], d_[1]);
    decode_digits(code, 2, d_[2], d_[3]);
    store_bytewise(code, d_[0], d_[3], group_at(panel, 0));
    decode_digits(code, 4, d_[0], d_[3]);
    store_bytewise(code, d_[1], d_[0], group_at(panel, 1));
    store_bytewise(code, d_[2], d_[3], group_at(panel, 2));
    decode_digits(code, 6, d_[0], d_[1]);
    decode_digits(code, 8, d_[2], d_[3]);
    store_wordwise(code, d_[0], d_[3], group_at(panel, 3));
    store_wordwise(code, d_[1], d_[2], group_at(panel, 4));
  }

 private:
  static constexpr int kWindow = 2;

  // Digits `digit` and `digit + 1` of A in the low bytes, of B in the high bytes.
  void decode_digits(Xbyak::CodeGenerator& code, int digit, const Ymm& first, const Ymm& second) {
    if (digit > 0) {
      code.vpmullw(low_, a_, from_digit(digit));
      code.vpmullw(high_, b_, from_digit(digit));
    }
    code.vpmulhuw(low_, digit > 0 ? low_ : a_, window_);
    code.vpmulhuw(high_, digit > 0 ? high_ : b_, window_in_high_byte_);
    code.vpand(high_, high_, high_bytes_);
    code.vpor(low_, low_, high_);
    code.vpshufb(first, table(0), low_);
    code.vpshufb(second, table(1), low_);
  }

  // The bytes of `even` and `odd` in turn.
  void store_bytewise(Xbyak::CodeGenerator& code, const Ymm& even, const Ymm& odd,
                      const Xbyak::RegExp& group) {
    code.vpunpcklbw(low_, even, odd);
    code.vpunpckhbw(high_, even, odd);
    store(code, group);
  }
  void store_wordwise(Xbyak::CodeGenerator& code, const Ymm& even, const Ymm& odd,
                      const Xbyak::RegExp& group) {
    code.vpunpcklwd(low_, even, odd);
    code.vpunpckhwd(high_, even, odd);
    store(code, group);
  }
  void store(Xbyak::CodeGenerator& code, const Xbyak::RegExp& group) {
    code.vmovups(code.ptr[group], low_);
    code.vmovups(code.ptr[group + kYmmFile.bytes], high_);
  }

  Ymm table(int t) const { return Ymm(3 + t); }
  // 3^digit
  Ymm from_digit(int digit) const { return digit == 2 ? window_ : Ymm(3 + digit / 2); }
  const Ymm window_{0}, window_in_high_byte_{1}, high_bytes_{2};
  const Ymm a_{8}, b_{9}, low_{10}, high_{11};
  const Ymm d_[4] = {Ymm(12), Ymm(13), Ymm(14), Ymm(15)};
};

}  // namespace

std::unique_ptr<PanelDecoder> make_b3_decoder(VectorFile vectors) {
  if (vectors.bytes == kZmmFile.bytes) return std::make_unique<B3DecoderZmm>();
  return std::make_unique<B3DecoderYmm>();
}

}  // namespace bitnetc::x64
