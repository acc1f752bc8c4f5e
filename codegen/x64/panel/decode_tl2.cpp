// decode_tl2.cpp     tl2 blocks to panels: a look-up per index of three trits
//
//   cells A, B    --fields 0 and 1 of a word to its two bytes-->  [A.0 A.1 B.0 B.1] of each row
//   cells C, D    the same                                        [C.0 C.1 D.0 D.1]
//   cells A .. D  --field 2 to a byte, two cells to a word-->     [A.2 B.2 C.2 D.2]
//   each of these three is twelve columns; its trit t is columns 4t .. 4t+3 of them
//
// zmm (VBMI)    A look-up by vpermb per trit. It takes six bits of an index, a field has five: the table is
//               there twice, so that the bit above the field may be anything.
// ymm           A field is a sign s above a magnitude m of four bits, with the value +-m = 9 t0 + 3 t1 + t2. A
//               look-up by vpshufb takes four bits and does not see bits 4 to 6.
//                 half = vpavgb(field, 0) = 8 s + (m + 1) / 2. t0 is not zero where m >= 5, which is where
//                        (m + 1) / 2 >= 3: it is looked up by `half`.
//                 pair = 3 t1 + t2 as a magnitude with its sign in bit 3: looked up for +m, then xor 8 s. The
//                        xor takes all of `half`; the table has (m + 1) / 2 xored in already.
//
// Block      36 columns of 16 rows: 128 bytes -> 9 groups, 576 weights
// Work       vector operations for a block, shuffles among them (unpacks too), stores:
//            zmm  19  12   9      shifts and vpternlogd move the fields, so that shuffles need not
//            ymm  70  34  18      24 to move fields, 10 to interleave, 6 * 6 to look up
// Bound      zmm: the store of 64 bytes a cycle, 9 cycles; where one port shuffles, as on Intel cores at 512
//            bits, the shuffles. ymm: the operations, on three or four ports, or the shuffles, on two.
//            AMD EPYC Zen 5: 9.1 and 21.7 cycles a block, from L2 245 and 107 Gweights/s
// Exactness  The tables have an entry for each of the 27 values of a field, or for each value of a part.
// Layout     docs/layouts/tl2.md
#include "codegen/x64/panel/decoder_parts.h"

namespace bitnetc::x64 {
namespace {

using Xbyak::Ymm;
using Xbyak::Zmm;

constexpr int kTrits = 3;
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
    for (int t = 0; t < kTrits; ++t) {
      constants_.add(table(t), [t](int i) {
        const int field = i % (1 << kFieldBits);
        const bool negative = field >> kMagnitudeBits != 0;
        return code_of_trit(negative ? -magnitude(field) : magnitude(field), kTrits, t);
      });
    }
  }

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
    code.vpermb(codes, indices(lane, turn), table(group % kTrits));
    return codes;
  }

 private:
  void join_fields_0_and_1(Xbyak::CodeGenerator& code, const Zmm& to, const Zmm& words) {
    code.vpsllw(to, words, kLeftOfField1ToHighByte);
    take_low_bytes(code, to, words, constants_.at(code, low_bytes_));
    code.vpermb(to, word_by_word_, to);
  }

  // The low bytes are those of A and B, the high bytes of C and D.
  void join_fields_2(Xbyak::CodeGenerator& code, const Zmm& to, const Zmm& ab, const Zmm& cd) {
    code.vpsrlw(ab, ab, kRightOfField2ToLowByte);
    code.vpsrlw(to, cd, kRightOfField2ToHighByte);
    take_low_bytes(code, to, ab, constants_.at(code, low_bytes_));
    code.vpermb(to, byte_by_byte_, to);
  }

  static constexpr int kLaneRegisters = 5;
  static Zmm table(int t) { return Zmm(2 + t); }
  static Zmm ab(int lane) { return Zmm(5 + kLaneRegisters * lane); }
  static Zmm cd(int lane) { return Zmm(6 + kLaneRegisters * lane); }
  static Zmm indices(int lane, int turn) { return Zmm(7 + kLaneRegisters * lane + turn); }
  const Zmm word_by_word_{0}, byte_by_byte_{1};
  const int low_bytes_ = constants_.add_words_in_memory(0x00ff);
};

class Tl2DecoderYmm final : public WordDecoder<PanelDecoder> {
 public:
  Tl2DecoderYmm() : WordDecoder(tl2_format(), kYmmFile) {
    constants_.add_words(low_field_, 0x001f);
    constants_.add_words(high_field_, 0x1f00);
    constants_.add(first_trits_, [](int i) { return first_trit_code(i % 16); });
    constants_.add(pairs_, [](int i) { return pair_of(i % 16) ^ half_of(i % 16); });
    for (int t = 0; t < kPairTrits; ++t) {
      constants_.add(pair_trits(t),
                     [t](int i) { return code_of_trit(signed_by_bit_3(i % 16), kPairTrits, t); });
    }
    constants_.add_bytes(zero_, 0);
  }

  void decode_block(Xbyak::CodeGenerator& code, const Xbyak::RegExp& w,
                    const Xbyak::RegExp& panel) override {
    for (int pair = 0; pair < 2; ++pair) {
      const Ymm fields_2 = pair == 0 ? ab_fields_2_ : cd_fields_2_;
      const auto cell = [&](int i) { return w + (2 * pair + i) * static_cast<int>(kCellBytes); };
      load_cell_for_unpack(code, first_, cell(0));
      load_cell_for_unpack(code, second_, cell(1));
      join_fields_2(code, fields_2);
      join_fields_0_and_1(code, first_);
      join_fields_0_and_1(code, second_);
      decode_columns(code, first_, second_, group_at(panel, pair * kTrits));
    }
    decode_columns(code, ab_fields_2_, cd_fields_2_, group_at(panel, 2 * kTrits));
  }

 private:
  static constexpr int kPairTrits = 2;
  static constexpr int kSign = 8;  // of a half, of a pair

  // Of magnitude m, without a sign.
  static int half_of(int m) { return (m + 1) / 2; }
  static int pair_of(int m) {
    const int pair = 3 * code_of_trit(m, kTrits, 1) + code_of_trit(m, kTrits, 2) - 4;
    return pair < 0 ? -pair | kSign : pair;
  }
  static int signed_by_bit_3(int i) { return i & kSign ? -(i % kSign) : i; }
  static uint8_t first_trit_code(int half) {
    constexpr int kLeast = 5;  // magnitude that has a first trit
    if (half % kSign < half_of(kLeast)) return 1;
    return half & kSign ? 0 : 2;
  }

  // In place: each field in a byte.
  void join_fields_0_and_1(Xbyak::CodeGenerator& code, const Ymm& words) {
    code.vpsllw(temp_, words, kLeftOfField1ToHighByte);
    code.vpand(words, words, low_field_);
    code.vpand(temp_, temp_, high_field_);
    code.vpor(words, words, temp_);
  }

  // Of first_ to the low bytes, of second_ to the high bytes. Bit 15 of a word is zero.
  void join_fields_2(Xbyak::CodeGenerator& code, const Ymm& to) {
    code.vpsrlw(to, first_, kRightOfField2ToLowByte);
    code.vpsrlw(temp_, second_, kRightOfField2ToHighByte);
    code.vpand(temp_, temp_, high_field_);
    code.vpor(to, to, temp_);
  }

  // Twelve columns, whose fields lie in the bytes of the words of both.
  void decode_columns(Xbyak::CodeGenerator& code, const Ymm& first, const Ymm& second,
                      const Xbyak::RegExp& panel) {
    code.vpunpcklwd(fields_, first, second);
    decode_rows(code, panel);
    code.vpunpckhwd(fields_, first, second);
    decode_rows(code, panel + kYmmFile.bytes);
  }

  void decode_rows(Xbyak::CodeGenerator& code, const Xbyak::RegExp& panel) {
    code.vpavgb(half_, fields_, zero_);
    look_up(code, first_trits_, half_, group_at(panel, 0));
    code.vpshufb(fields_, pairs_, fields_);
    code.vpxor(fields_, fields_, half_);
    for (int t = 0; t < kPairTrits; ++t)
      look_up(code, pair_trits(t), fields_, group_at(panel, 1 + t));
  }

  void look_up(Xbyak::CodeGenerator& code, const Ymm& table, const Ymm& indices,
               const Xbyak::RegExp& group) {
    code.vpshufb(codes_, table, indices);
    code.vmovups(code.ptr[group], codes_);
  }

  static Ymm pair_trits(int t) { return Ymm(5 + t); }
  const Ymm low_field_{0}, high_field_{1}, zero_{2}, first_trits_{3}, pairs_{4};
  const Ymm first_{7}, second_{8}, ab_fields_2_{9}, cd_fields_2_{10};
  const Ymm temp_{11}, fields_{12}, half_{13}, codes_{14};
};

}  // namespace

std::unique_ptr<GroupDecoder> make_tl2_group_decoder() {
  return std::make_unique<Tl2DecoderZmm>();
}

std::unique_ptr<PanelDecoder> make_tl2_decoder(VectorFile vectors) {
  if (vectors.bytes == kZmmFile.bytes) return make_tl2_group_decoder();
  return std::make_unique<Tl2DecoderYmm>();
}

}  // namespace bitnetc::x64
