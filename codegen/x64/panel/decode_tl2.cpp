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
//            ymm  74  38  18      24 to move fields, 14 to interleave, 6 * 6 to look up; 66 as unpacked, 60 as
//                                 cells (ymm_decoder_use.h)
// Bound      zmm: the store of 64 bytes a cycle, 9 cycles; where one port shuffles, as on Intel cores at 512
//            bits, the shuffles. ymm: the operations, on three or four ports, or the shuffles, on two.
//            AMD EPYC Zen 5: 9.1 and 21.7 cycles a block, from L2 245 and 107 Gweights/s
// Exactness  The tables have an entry for each of the 27 values of a field, or for each value of a part.
// Layout     docs/layouts/tl2.md
#include "codegen/x64/panel/decoder_parts.h"
#include "codegen/x64/panel/ymm_group_decoder.h"

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
    constants_.add_words(low_bytes_, 0x00ff);
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

  void decode_groups(Xbyak::CodeGenerator& code, const Xbyak::RegExp& w,
                     const Sink& sink) override {
    code.vmovups(ab_, code.ptr[w]);
    code.vmovups(cd_, code.ptr[w + kZmmFile.bytes]);
    decode_fields_0_and_1(code, ab_, 0, sink);
    decode_fields_0_and_1(code, cd_, kTrits, sink);
    decode_fields_2(code, 2 * kTrits, sink);
  }

 private:
  void decode_fields_0_and_1(Xbyak::CodeGenerator& code, const Zmm& words, int first_group,
                             const Sink& sink) {
    code.vpsllw(indices_, words, kLeftOfField1ToHighByte);
    take_low_bytes(code, indices_, words, low_bytes_);
    code.vpermb(indices_, word_by_word_, indices_);
    look_up(code, first_group, sink);
  }

  // The low bytes are those of A and B, the high bytes of C and D.
  void decode_fields_2(Xbyak::CodeGenerator& code, int first_group, const Sink& sink) {
    code.vpsrlw(ab_, ab_, kRightOfField2ToLowByte);
    code.vpsrlw(indices_, cd_, kRightOfField2ToHighByte);
    take_low_bytes(code, indices_, ab_, low_bytes_);
    code.vpermb(indices_, byte_by_byte_, indices_);
    look_up(code, first_group, sink);
  }

  void look_up(Xbyak::CodeGenerator& code, int first_group, const Sink& sink) {
    for (int t = 0; t < kTrits; ++t) {
      code.vpermb(codes_, indices_, table(t));
      sink(first_group + t, codes_);
    }
  }

  static Zmm table(int t) { return Zmm(3 + t); }
  const Zmm low_bytes_{0}, word_by_word_{1}, byte_by_byte_{2};
  const Zmm ab_{6}, cd_{7}, indices_{8}, codes_{9};
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
  }

  void decode_groups(Xbyak::CodeGenerator& code, const Xbyak::RegExp& w,
                     const Sink& sink) override {
    for (int pair = 0; pair < 2; ++pair) {
      for (int i = 0; i < 2; ++i) join_fields_0_and_1(code, w, 2 * pair + i, i);
      decode_columns(code, pair * kTrits, sink);
    }
    for (int i = 0; i < 2; ++i) join_fields_2(code, w, 2 * i, i);
    decode_columns(code, 2 * kTrits, sink);
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

  // Each field of a cell in a byte.
  void join_fields_0_and_1(Xbyak::CodeGenerator& code, const Xbyak::RegExp& w, int cell, int i) {
    load_cell(code, half(i), w, cell);
    code.vpsllw(fields(i), half(i), kLeftOfField1ToHighByte);
    mask(code, half(i), low_field_);
    mask(code, fields(i), high_field_);
    code.vpor(joined(i), half(i), fields(i));
  }

  // Of `cell` to the low bytes, of the next one to the high bytes. Bit 15 of a word is zero.
  void join_fields_2(Xbyak::CodeGenerator& code, const Xbyak::RegExp& w, int cell, int i) {
    load_cell(code, half(i), w, cell);
    load_cell(code, fields(i), w, cell + 1);
    code.vpsrlw(half(i), half(i), kRightOfField2ToLowByte);
    code.vpsrlw(fields(i), fields(i), kRightOfField2ToHighByte);
    mask(code, fields(i), high_field_);
    code.vpor(joined(i), half(i), fields(i));
  }

  // Twelve columns, whose fields lie in the bytes of both joined words.
  void decode_columns(Xbyak::CodeGenerator& code, int group, const Sink& sink) {
    if (rows_ != YmmRows::kAsCells) {
      code.vpunpcklwd(fields(0), half(0), half(1));
      code.vpunpckhwd(fields(1), half(0), half(1));
    }
    for (int part = 0; part < 2; ++part) {
      with(code, zero_,
           [&](const Xbyak::Operand& zero) { code.vpavgb(half(part), fields(part), zero); });
      code.vpshufb(fields(part), *pairs_.in_register, fields(part));
      code.vpxor(fields(part), fields(part), half(part));
      code.vpshufb(half(part), *first_trits_.in_register, half(part));
    }
    sink(group, half(0), half(1));
    for (int part = 0; part < 2; ++part) look_up(code, half(part), pair_trits_[0], fields(part));
    sink(group + 1, half(0), half(1));
    const Ymm last = in_register(code, pair_trits_[1], half(0));
    for (int part = 0; part < 2; ++part) code.vpshufb(fields(part), last, fields(part));
    sink(group + 2, fields(0), fields(1));
  }

  void mask(Xbyak::CodeGenerator& code, const Ymm& words, const Constant& bits) {
    with(code, bits, [&](const Xbyak::Operand& operand) { code.vpand(words, words, operand); });
  }

  static Ymm half(int part) { return temporary(part); }
  static Ymm fields(int part) { return temporary(2 + part); }
  // Words on their way to the fields of a part.
  Ymm joined(int i) const { return rows_ == YmmRows::kAsCells ? fields(i) : half(i); }
  Constant first_trits_, pairs_, pair_trits_[kPairTrits], zero_, low_field_, high_field_;
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
