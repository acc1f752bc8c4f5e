// decode/b3.cpp     b3 blocks to panels: windows of digits by multiplication, then lookups
//
// A word is the fraction 0.d0 d1 .. d9 to base 3. Multiplied by 3^j modulo 2^16 it starts with
// digit j; the high half of its product with 3^n is then the number that the digits j .. j+n-1
// make, a "window". With 3^n * 256 that number comes in the high byte, so two windows join in a
// word.
//
//   group      0        1        2        3        4             digits of words A and B in a dword
//   bytes     0 3      1 4      2 5      6 6      7 7            for 0..2: A A B B
//             0 3      1 4      2 5      9 9      8 8            for 3, 4: A B A B
//
// zmm (VBMI)  Windows of three: (0 1 2 | 3 4 5) in the bytes of a word for groups 0..2,
//             (6 7 8 | 7 8 9) for groups 3 and 4. Group 4 is the middle digit of both. Group 3 is
//             the first of the one and the last of the other: a lookup by vpermb takes six bits,
//             the sixth says which.
// ymm         Windows of two, nine values, so that a vpshufb looks up a digit: (2j 2j+1) of A and
//             of B in the bytes of a word. Digits of the same number pair up; bytes or words of two
//             such pairs interleave to a group.
//
// Block      20 columns of 16 rows: 64 bytes -> 5 groups, 320 weights
// Work       vector operations for a block, multiplications and shuffles among them (unpacks too),
//            stores:
//            zmm  18   6   7   5      a third product, three times the second, is two additions
//            ymm  50  18  22  10  48 as unpacked (ymm_decoder_use.h)
// Bound      zmm: the store of 64 bytes per cycle, 5 cycles; where two ports do all at 512 bits, as
//            on Intel cores, the operations, 9 cycles. ymm: the operations, on three or four ports.
//            AMD EPYC Zen 5: 5.8 and 15.4 cycles per block, from L2 210 and 83 Gweights/s
// Exactness  A word is rounded up from its ten digits by less than 2^-16. Multiplied by 3^j modulo
//            2^16 it exceeds the digits from j on by less than 3^j * 2^-16. They are a multiple of
//            3^(j-10), so the next value of a window, and 1 itself, is at least 3^(j-10) away,
//            which is more: 2^16 > 3^10.
// Layout     docs/layouts/b3.md
#include "codegen/x64/decode/decoder_parts.h"
#include "codegen/x64/decode/ymm_group_decoder.h"
#include "runtime/status.h"

namespace bitnetc::x64 {
namespace {

using Xbyak::Ymm;
using Xbyak::Zmm;

constexpr unsigned power_of_3(int exponent) {
  unsigned power = 1;
  for (int i = 0; i < exponent; ++i) power *= 3;
  return power;
}

// The digit that a window of `digits` digits has at place t, for a byte that holds a window.
uint8_t digit_of_window(int window, int digits, int t) {
  return static_cast<uint8_t>(static_cast<unsigned>(window) / power_of_3(digits - 1 - t) % 3);
}

class B3DecoderZmm final : public WordDecoder<GroupDecoder> {
 public:
  B3DecoderZmm() : WordDecoder(b3_format(), kZmmFile) {
    constants_.add(word_by_word_, [](int i) { return source_byte(DwordOrder::kWordByWord, i); });
    constants_.add(byte_by_byte_, [](int i) { return source_byte(DwordOrder::kByteByByte, i); });
    constants_.add_words(window_, power_of_3(kWindow));
    constants_.add_words(window_in_high_byte_, power_of_3(kWindow) << 8);
    constants_.add(first_or_last_,
                   [](int i) { return i < kHalfTable ? entry(i, 0) : entry(i, 2); });
    constants_.add(middle_, [](int i) { return entry(i, 1); });
    constants_.add(last_, [](int i) { return entry(i, 2); });
  }

  int block_operations() const override { return 18; }
  std::span<const Stage> stages() const override {
    static constexpr Stage kStages[] = {{0, 3}, {3, 5}};
    return kStages;
  }

  void prepare(Xbyak::CodeGenerator& code, const Xbyak::RegExp& w, int lane, int stage,
               int turn) override {
    const Zmm to = indices(lane, turn);
    if (stage == 0) {
      code.vmovups(words(lane), code.ptr[w]);
      join_windows_0_and_3(code, to, words(lane), codes(lane));
    } else {
      join_windows_6_and_7(code, to, words(lane), codes(lane));
    }
  }

  Zmm look_up(Xbyak::CodeGenerator& code, int lane, int group, int turn) override {
    const Zmm tables[] = {first_or_last_, middle_, last_, first_or_last_, middle_};
    code.vpermb(codes(lane), indices(lane, turn), tables[group]);
    return codes(lane);
  }

 private:
  static constexpr int kWindow = 3;
  static constexpr int kHalfTable = 32;
  static uint8_t entry(int i, int t) { return digit_of_window(i % kHalfTable, kWindow, t); }

  void join_windows_0_and_3(Xbyak::CodeGenerator& code, const Zmm& to, const Zmm& words,
                            const Zmm& temp) {
    code.vpmullw(to, words, window_);  // 27 is 3^3 as well
    code.vpmulhuw(temp, words, window_);
    code.vpmulhuw(to, to, window_in_high_byte_);
    take_low_bytes(code, to, temp, constants_.in_memory(code, low_bytes_));
    code.vpermb(to, word_by_word_, to);
  }

  // Times three is two additions, for which there is more room than for a multiplication.
  void join_windows_6_and_7(Xbyak::CodeGenerator& code, const Zmm& to, const Zmm& words,
                            const Zmm& temp) {
    code.vpmullw(temp, words, constants_.in_memory(code, from_digit_6_));
    code.vpaddw(to, temp, temp);
    code.vpaddw(to, to, temp);
    code.vpmulhuw(temp, temp, window_);
    code.vpmulhuw(to, to, window_in_high_byte_);
    take_low_bytes(code, to, temp, constants_.in_memory(code, low_bytes_));
    code.vpermb(to, byte_by_byte_, to);
    code.vpord(to, to, constants_.in_memory(code, second_half_));
  }

  static constexpr int kLaneRegisters = 4;
  static Zmm words(int lane) { return Zmm(7 + kLaneRegisters * lane); }
  static Zmm codes(int lane) { return Zmm(8 + kLaneRegisters * lane); }
  static Zmm indices(int lane, int turn) { return Zmm(9 + kLaneRegisters * lane + turn); }
  const Zmm word_by_word_{0}, byte_by_byte_{1}, window_{2}, window_in_high_byte_{3};
  const Zmm first_or_last_{4}, middle_{5}, last_{6};
  const int low_bytes_ = constants_.add(std::nullopt, VectorConstants::EveryWord{0x00ff});
  const int from_digit_6_ = constants_.add(std::nullopt, VectorConstants::EveryWord{power_of_3(6)});
  const int second_half_ =
      constants_.add(std::nullopt, [](int i) { return i % 4 < 2 ? 0 : kHalfTable; });
};

class B3DecoderYmm final : public YmmGroupDecoder {
 public:
  explicit B3DecoderYmm(const YmmDecoderUse& use) : YmmGroupDecoder(b3_format(), use, 6) {
    BITNETC_CHECK(use.rows != YmmRows::kAsWordColumns,
                  "b3: digits of two word columns share a word");
    window_ = constant_words(power_of_3(kWindow));
    window_in_high_byte_ = constant_words(power_of_3(kWindow) << 8);
    high_bytes_ = constant_words(0xff00);
    for (int t = 0; t < kWindow; ++t)
      tables_[t] = constant([t](int i) { return digit_of_window(i % 16, kWindow, t); });
    for (int power = 0; power < kPowers; ++power)
      powers_[power] = constant_words(power_of_3(4 + kWindow * power));
    for (std::optional<Ymm>& kept : kept_words_) kept = take_register();
  }

  int block_operations() const override { return rows_ == YmmRows::kInOrder ? 50 : 48; }
  void decode_groups(Xbyak::CodeGenerator& code, const Xbyak::RegExp& w,
                     const Sink& sink) override {
    for (int word = 0; word < 2; ++word)
      if (kept_words_[word]) load_word_column(code, *kept_words_[word], w, word);
    decode_digits(code, w, 0, d(0), d(1));
    decode_digits(code, w, 2, d(2), d(3));
    interleave_bytes(code, d(0), d(3));
    sink(0, low(), high());
    decode_digits(code, w, 4, d(0), d(3));
    interleave_bytes(code, d(1), d(0));
    sink(1, low(), high());
    interleave_bytes(code, d(2), d(3));
    sink(2, low(), high());
    decode_digits(code, w, 6, d(0), d(1));
    decode_digits(code, w, 8, d(2), d(3));
    interleave_words(code, d(0), d(3));
    sink(3, low(), high());
    interleave_words(code, d(1), d(2));
    sink(4, low(), high());
  }

 private:
  static constexpr int kWindow = 2;
  static constexpr int kPowers = 3;  // 3^4, 3^6, 3^8

  // Digits `digit` and `digit + 1` of A in the low bytes, of B in the high bytes.
  void decode_digits(Xbyak::CodeGenerator& code, const Xbyak::RegExp& w, int digit,
                     const Ymm& first, const Ymm& second) {
    decode_window(code, w, 0, digit, window_);
    decode_window(code, w, 1, digit, window_in_high_byte_);
    with(code, high_bytes_, [&](const Xbyak::Operand& mask) { code.vpand(high(), high(), mask); });
    code.vpor(low(), low(), high());
    look_up(code, first, tables_[0], low());
    look_up(code, second, tables_[1], low());
  }

  // Of word 0 to low(), of word 1 to high().
  void decode_window(Xbyak::CodeGenerator& code, const Xbyak::RegExp& w, int word, int digit,
                     const Constant& window) {
    const Ymm to = word == 0 ? low() : high();
    Ymm words = to;
    if (kept_words_[word]) {
      words = *kept_words_[word];
    } else {
      load_word_column(code, to, w, word);
    }
    if (digit > 0) {
      with(code, from_digit(digit),
           [&](const Xbyak::Operand& power) { code.vpmullw(to, words, power); });
      words = to;
    }
    with(code, window, [&](const Xbyak::Operand& radix) { code.vpmulhuw(to, words, radix); });
  }

  // The bytes of `even` and `odd` in turn.
  void interleave_bytes(Xbyak::CodeGenerator& code, const Ymm& even, const Ymm& odd) {
    code.vpunpcklbw(low(), even, odd);
    code.vpunpckhbw(high(), even, odd);
  }
  void interleave_words(Xbyak::CodeGenerator& code, const Ymm& even, const Ymm& odd) {
    code.vpunpcklwd(low(), even, odd);
    code.vpunpckhwd(high(), even, odd);
  }

  // 3^digit
  const Constant& from_digit(int digit) const {
    return digit == 2 ? window_ : powers_[digit / kWindow - 2];
  }

  static Ymm low() { return temporary(0); }
  static Ymm high() { return temporary(1); }
  static Ymm d(int i) { return temporary(2 + i); }
  Constant window_, window_in_high_byte_, high_bytes_, tables_[kWindow], powers_[kPowers];
  std::array<std::optional<Ymm>, 2> kept_words_;  // else word columns are loaded for each window
};

}  // namespace

std::unique_ptr<GroupDecoder> make_b3_group_decoder() {
  return std::make_unique<B3DecoderZmm>();
}

std::unique_ptr<PanelDecoder> make_b3_decoder(VectorFile vectors) {
  if (vectors.bytes == kZmmFile.bytes) return make_b3_group_decoder();
  return make_b3_ymm_decoder(kYmmPanelUse);
}

std::unique_ptr<YmmGroupDecoder> make_b3_ymm_decoder(const YmmDecoderUse& use) {
  return std::make_unique<B3DecoderYmm>(use);
}

}  // namespace bitnetc::x64
