// decode/tl2.cpp     tl2 blocks to panels: a lookup per index of three trits
//
//   words A, B    --fields 0 and 1 of a word to its two bytes-->  [A.0 A.1 B.0 B.1] of each row
//   words C, D    the same                                        [C.0 C.1 D.0 D.1]
//   words A .. D  --field 2 to a byte, of two words to a word-->  [A.2 B.2 C.2 D.2]
//   each of these three is twelve columns; its trit t is columns 4t .. 4t+3 of them
//
// zmm (VBMI)    A lookup by vpermb per trit. It takes six bits of an index, a field has five: the
//               table is there twice, so that the bit above the field may be anything.
// ymm           A field is a sign s above a magnitude m of four bits, with the value +-m = 9 t0 + 3
//               t1 + t2. A lookup by vpshufb takes four bits and does not see bits 4 to 6.
//                 half = vpavgb(field, 0) = 8 s + (m + 1) / 2. t0 is not zero where m >= 5, that
//                        is where (m + 1) / 2 >= 3: it is looked up by `half`.
//                 pair = 3 t1 + t2 as a magnitude with its sign in bit 3: looked up for +m, then
//                        xor 8 s. The xor takes all of `half`; the table has (m + 1) / 2 xored in
//                        already.
//
// Block      36 columns of 16 rows: 128 bytes -> 9 groups, 576 weights
// Work       vector operations for a block, shuffles among them (unpacks too), stores:
//            zmm  19  12   9      shifts and vpternlogd move the fields, so that shuffles need not
//            ymm  70  34  18      24 to move fields, 10 to interleave, 6 * 6 to look up; 66 as
//                                 unpacked, 60 as word columns (ymm_decoder_use.h)
// Bound      zmm: the store of 64 bytes per cycle, 9 cycles; where one port shuffles, as on Intel
//            cores at 512 bits, the shuffles. ymm: the operations, on three or four ports, or the
//            shuffles, on two.
//            AMD EPYC Zen 5: 9.1 and 21.7 cycles per block, from L2 245 and 107 Gweights/s
// Exactness  The tables have an entry for each of the 27 values of a field, or for each value of a
//            part.
// Layout     docs/layouts/tl2.md
#include "codegen/x64/decode/decoder_parts.h"
#include "codegen/x64/decode/ymm_group_decoder.h"

namespace bitnetc::x64 {
namespace {

using Xbyak::Ymm;
using Xbyak::Zmm;

constexpr int kWordTrits = 3;
constexpr int kFieldBits = 5, kMagnitudeBits = 4;
// Shifts that bring a field to the low bits of a byte of its word.
constexpr int kLeftOfField1ToHighByte = 8 - kFieldBits;
constexpr int kRightOfField2ToHighByte = 2 * kFieldBits - 8;
constexpr int kRightOfField2ToLowByte = 2 * kFieldBits;

int magnitude(int field) {
  return field % (1 << kMagnitudeBits);
}

class Tl2DecoderZmm final : public WordDecoder<GroupDecoder> {
 public:
  Tl2DecoderZmm() : WordDecoder(tl2_format(), kZmmFile) {
    constants_.add(word_by_word_, [](int i) { return source_byte(DwordOrder::kWordByWord, i); });
    constants_.add(byte_by_byte_, [](int i) { return source_byte(DwordOrder::kByteByByte, i); });
    for (int t = 0; t < kWordTrits; ++t) {
      constants_.add(table(t), [t](int i) {
        const int field = i % (1 << kFieldBits);
        const bool negative = field >> kMagnitudeBits != 0;
        return code_of_trit(negative ? -magnitude(field) : magnitude(field), kWordTrits, t);
      });
    }
  }

  int block_operations() const override { return 19; }
  std::span<const Stage> stages() const override {
    static constexpr Stage kStages[] = {{0, 3}, {3, 6}, {6, 9}};
    return kStages;
  }

  void prepare(Xbyak::CodeGenerator& code, const Xbyak::RegExp& w, int lane, int stage,
               int turn) override {
    const Zmm to = indices(lane, turn);
    switch (stage) {
      case 0:
        code.vmovups(ab(lane), code.ptr[w]);
        join_fields_0_and_1(code, to, ab(lane));
        break;
      case 1:
        code.vmovups(cd(lane), code.ptr[w + kZmmFile.bytes]);
        join_fields_0_and_1(code, to, cd(lane));
        break;
      default: join_fields_2(code, to, ab(lane), cd(lane)); break;
    }
  }

  Zmm look_up(Xbyak::CodeGenerator& code, int lane, int group, int turn) override {
    const Zmm codes(9 + kLaneRegisters * lane);
    code.vpermb(codes, indices(lane, turn), table(group % kWordTrits));
    return codes;
  }

 private:
  void join_fields_0_and_1(Xbyak::CodeGenerator& code, const Zmm& to, const Zmm& words) {
    code.vpsllw(to, words, kLeftOfField1ToHighByte);
    take_low_bytes(code, to, words, constants_.in_memory(code, low_bytes_));
    code.vpermb(to, word_by_word_, to);
  }

  // The low bytes are those of A and B, the high bytes of C and D.
  void join_fields_2(Xbyak::CodeGenerator& code, const Zmm& to, const Zmm& ab, const Zmm& cd) {
    code.vpsrlw(ab, ab, kRightOfField2ToLowByte);
    code.vpsrlw(to, cd, kRightOfField2ToHighByte);
    take_low_bytes(code, to, ab, constants_.in_memory(code, low_bytes_));
    code.vpermb(to, byte_by_byte_, to);
  }

  static constexpr int kLaneRegisters = 5;
  static Zmm table(int t) { return Zmm(2 + t); }
  static Zmm ab(int lane) { return Zmm(5 + kLaneRegisters * lane); }
  static Zmm cd(int lane) { return Zmm(6 + kLaneRegisters * lane); }
  static Zmm indices(int lane, int turn) { return Zmm(7 + kLaneRegisters * lane + turn); }
  const Zmm word_by_word_{0}, byte_by_byte_{1};
  const int low_bytes_ = constants_.add(std::nullopt, VectorConstants::EveryWord{0x00ff});
};

class Tl2DecoderYmm final : public YmmGroupDecoder {
 public:
  explicit Tl2DecoderYmm(const YmmDecoderUse& use) : YmmGroupDecoder(tl2_format(), use, 4) {
    first_trits_ = constant([](int i) { return first_trit_code(i % 16); });
    pairs_ = constant([](int i) { return pair_of(i % 16) ^ half_of(i % 16); });
    for (int t = kPairTrits - 1; t >= 0; --t) {
      pair_trits_[t] =
          constant([t](int i) { return code_of_trit(signed_by_bit_3(i % 16), kPairTrits, t); });
    }
    zero_ = constant_bytes(0);
    high_field_ = constant_words(0x1f00);
    low_field_ = constant_words(0x001f);
    for (std::optional<Ymm>& kept : kept_) kept = take_register();
  }

  int block_operations() const override {
    switch (rows_) {
      case YmmRows::kInOrder: return 70;
      case YmmRows::kAsUnpacked: return 66;
      case YmmRows::kAsWordColumns: return 60;
    }
    return 0;
  }
  void decode_groups(Xbyak::CodeGenerator& code, const Xbyak::RegExp& w,
                     const Sink& sink) override {
    for (int pair = 0; pair < 2; ++pair) {
      for (int i = 0; i < 2; ++i) load_word_column(code, half(i), w, 2 * pair + i);
      if (kept_[1]) join_fields_2(code, *kept_[pair], half(0), half(1), fields(0));
      for (int i = 0; i < 2; ++i) join_fields_0_and_1(code, half(i), fields(i));
      decode_columns(code, half(0), half(1), pair * kWordTrits, sink);
    }
    if (kept_[1]) {
      decode_columns(code, *kept_[0], *kept_[1], 2 * kWordTrits, sink);
      return;
    }
    for (int i = 0; i < 2; ++i) {
      load_word_column(code, half(i), w, 2 * i);
      load_word_column(code, fields(i), w, 2 * i + 1);
      join_fields_2(code, half(i), half(i), fields(i), fields(i));
    }
    decode_columns(code, half(0), half(1), 2 * kWordTrits, sink);
  }

 private:
  static constexpr int kPairTrits = 2;
  static constexpr int kSign = 8;  // of a half, of a pair

  // Of magnitude m, without a sign.
  static int half_of(int m) { return (m + 1) / 2; }
  static int pair_of(int m) {
    const int pair = 3 * code_of_trit(m, kWordTrits, 1) + code_of_trit(m, kWordTrits, 2) - 4;
    return pair < 0 ? -pair | kSign : pair;
  }
  static int signed_by_bit_3(int i) { return i & kSign ? -(i % kSign) : i; }
  static uint8_t first_trit_code(int half) {
    constexpr int kLeast = 5;  // magnitude that has a first trit
    if (half % kSign < half_of(kLeast)) return 1;
    return half & kSign ? 0 : 2;
  }

  // In place: each field in a byte.
  void join_fields_0_and_1(Xbyak::CodeGenerator& code, const Ymm& words, const Ymm& temp) {
    code.vpsllw(temp, words, kLeftOfField1ToHighByte);
    mask(code, words, low_field_);
    mask(code, temp, high_field_);
    code.vpor(words, words, temp);
  }

  // Of one word column to the low bytes, of the next one to the high bytes. Bit 15 of a word is
  // zero.
  void join_fields_2(Xbyak::CodeGenerator& code, const Ymm& to, const Ymm& words,
                     const Ymm& next_words, const Ymm& temp) {
    code.vpsrlw(temp, next_words, kRightOfField2ToHighByte);
    code.vpsrlw(to, words, kRightOfField2ToLowByte);
    mask(code, temp, high_field_);
    code.vpor(to, to, temp);
  }

  // Twelve columns, whose fields lie in the bytes of both.
  void decode_columns(Xbyak::CodeGenerator& code, const Ymm& words0, const Ymm& words1, int group,
                      const Sink& sink) {
    if (rows_ == YmmRows::kAsWordColumns) {
      split_fields(code, words0, 0);
      split_fields(code, words1, 1);
    } else {
      code.vpunpcklwd(fields(0), words0, words1);
      code.vpunpckhwd(fields(1), words0, words1);
      for (int part = 0; part < 2; ++part) split_fields(code, fields(part), part);
    }
    for (int part = 0; part < 2; ++part)
      code.vpshufb(half(part), *first_trits_.in_register, half(part));
    sink(group, half(0), half(1));
    for (int part = 0; part < 2; ++part) look_up(code, half(part), pair_trits_[0], fields(part));
    sink(group + 1, half(0), half(1));
    const Ymm last = in_register(code, pair_trits_[1], half(0));
    for (int part = 0; part < 2; ++part) code.vpshufb(fields(part), last, fields(part));
    sink(group + 2, fields(0), fields(1));
  }

  // The halves and, in place of the fields, the pairs of a part's `bytes`: its fields' register or
  // another one.
  void split_fields(Xbyak::CodeGenerator& code, const Ymm& bytes, int part) {
    const bool in_place = bytes == fields(part);
    if (!in_place) code.vpshufb(fields(part), *pairs_.in_register, bytes);
    with(code, zero_, [&](const Xbyak::Operand& zero) { code.vpavgb(half(part), bytes, zero); });
    if (in_place) code.vpshufb(fields(part), *pairs_.in_register, bytes);
    code.vpxor(fields(part), fields(part), half(part));
  }

  void mask(Xbyak::CodeGenerator& code, const Ymm& words, const Constant& bits) {
    with(code, bits, [&](const Xbyak::Operand& operand) { code.vpand(words, words, operand); });
  }

  static Ymm half(int part) { return temporary(part); }
  static Ymm fields(int part) { return temporary(2 + part); }
  Constant first_trits_, pairs_, pair_trits_[kPairTrits], zero_, low_field_, high_field_;
  std::array<std::optional<Ymm>, 2> kept_;  // fields 2; else word columns are loaded twice
};

}  // namespace

std::unique_ptr<GroupDecoder> make_tl2_group_decoder() {
  return std::make_unique<Tl2DecoderZmm>();
}

std::unique_ptr<PanelDecoder> make_tl2_decoder(VectorFile vectors) {
  if (vectors.bytes == kZmmFile.bytes) return make_tl2_group_decoder();
  return make_tl2_ymm_decoder(kYmmPanelUse);
}

std::unique_ptr<YmmGroupDecoder> make_tl2_ymm_decoder(const YmmDecoderUse& use) {
  return std::make_unique<Tl2DecoderYmm>(use);
}

}  // namespace bitnetc::x64
