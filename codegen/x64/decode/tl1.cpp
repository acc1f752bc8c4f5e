// decode/tl1.cpp     tl1 blocks to panels: a lookup per nibble and trit
//
//   words A, B     --interleave words-->  (A_r, B_r) of each row  --split-->  low, high nibbles
//   low nibbles    look up trit 0: columns 0..3,  trit 1: columns 4..7
//   high nibbles   look up trit 0: columns 8..11, trit 1: columns 12..15
//
// Block      16 columns of 16 rows: 64 bytes -> 4 groups, 256 weights
// Work       vector operations for a block, shuffles among them (unpacks too), stores:
//            zmm   8   5   4      F and BW only
//            ymm  18  12   8      16 as unpacked, 14 as word columns (ymm_decoder_use.h)
//                                 2 more to unpack again where registers are few
// Bound      zmm: the store of 64 bytes per cycle, 4 cycles; where one port shuffles, as on Intel
//            cores at 512 bits, the shuffles. ymm: the shuffles, on two ports; AMD's cores unpack
//            on all four.
//            AMD EPYC Zen 5: 4.0 and 6.2 cycles per block, from L2 252 and 165 Gweights/s
// Exactness  The tables have an entry for each of the nine values of a nibble.
// Layout     docs/layouts/tl1.md
#include "codegen/x64/decode/decoder_parts.h"
#include "codegen/x64/decode/ymm_group_decoder.h"

namespace bitnetc::x64 {
namespace {

using Xbyak::Ymm;
using Xbyak::Zmm;

constexpr int kTrits = 2;
constexpr int kGroups = 4;

// A byte of the table for trit t: vpshufb looks up in every 128 bits by themselves.
uint8_t table_entry(int t, int i) {
  const int nibble = i % 16;
  return code_of_trit(nibble < 8 ? nibble : nibble - 16, kTrits, t);
}

class Tl1DecoderZmm final : public WordDecoder<GroupDecoder> {
 public:
  Tl1DecoderZmm() : WordDecoder(tl1_format(), kZmmFile) {
    constants_.add(interleave_, [](int i) {
      return i % 2 == 0 ? source_byte(DwordOrder::kWordByWord, i) / 2 : 0;  // word numbers
    });
    constants_.add_bytes(nibble_mask_, 0x0f);
    for (int t = 0; t < kTrits; ++t)
      constants_.add(table(t), [t](int i) { return table_entry(t, i); });
  }

  int block_operations() const override { return 8; }
  std::span<const Stage> stages() const override {
    static constexpr Stage kStages[] = {{0, kGroups}};
    return kStages;
  }

  void prepare(Xbyak::CodeGenerator& code, const Xbyak::RegExp& w, int lane, int,
               int turn) override {
    const Zmm low = nibbles(lane, turn, 0), high = nibbles(lane, turn, 1);
    code.vpermw(low, interleave_, code.ptr[w]);
    code.vpsrlw(high, low, 4);
    code.vpandd(low, low, nibble_mask_);
    code.vpandd(high, high, nibble_mask_);
  }

  Zmm look_up(Xbyak::CodeGenerator& code, int lane, int group, int turn) override {
    const Zmm codes(4 + kLaneRegisters * lane);
    code.vpshufb(codes, table(group % kTrits), nibbles(lane, turn, group / kTrits));
    return codes;
  }

 private:
  static constexpr int kLaneRegisters = 5;
  static Zmm table(int t) { return Zmm(2 + t); }
  static Zmm nibbles(int lane, int turn, int half) {
    return Zmm(5 + kLaneRegisters * lane + 2 * turn + half);
  }
  const Zmm interleave_{0}, nibble_mask_{1};
};

class Tl1DecoderYmm final : public YmmGroupDecoder {
 public:
  explicit Tl1DecoderYmm(const YmmDecoderUse& use)
      : YmmGroupDecoder(tl1_format(), use, 4),
        tables_{constant([](int i) { return table_entry(0, i); }),
                constant([](int i) { return table_entry(1, i); })},
        nibble_mask_(constant_bytes(0x0f)),
        kept_{take_register(), take_register()} {}

  int block_operations() const override {
    switch (rows_) {
      case YmmRows::kInOrder: return 18;
      case YmmRows::kAsUnpacked: return 16;
      case YmmRows::kAsWordColumns: return 14;
    }
    return 0;
  }
  void decode_groups(Xbyak::CodeGenerator& code, const Xbyak::RegExp& w,
                     const Sink& sink) override {
    load_words(code, w);
    if (kept_[1]) split_high_nibbles(code, *kept_[0], *kept_[1]);
    for (int part = 0; part < 2; ++part) mask(code, nibbles(part));
    look_up_trits(code, 0, nibbles(0), nibbles(1), sink);
    if (kept_[1]) {
      look_up_trits(code, kTrits, *kept_[0], *kept_[1], sink);
    } else {
      load_words(code, w);
      split_high_nibbles(code, nibbles(0), nibbles(1));
      look_up_trits(code, kTrits, nibbles(0), nibbles(1), sink);
    }
  }

 private:
  void split_high_nibbles(Xbyak::CodeGenerator& code, const Ymm& to0, const Ymm& to1) {
    for (int part = 0; part < 2; ++part) {
      const Ymm to = part == 0 ? to0 : to1;
      code.vpsrlw(to, nibbles(part), 4);
      mask(code, to);
    }
  }

  // Changes the nibbles.
  void look_up_trits(Xbyak::CodeGenerator& code, int group, const Ymm& nibbles0,
                     const Ymm& nibbles1, const Sink& sink) {
    look_up(code, codes(0), tables_[0], nibbles0);
    look_up(code, codes(1), tables_[0], nibbles1);
    sink(group, codes(0), codes(1));
    const Ymm table = in_register(code, tables_[1], codes(0));
    code.vpshufb(nibbles0, table, nibbles0);
    code.vpshufb(nibbles1, table, nibbles1);
    sink(group + 1, nibbles0, nibbles1);
  }

  // Both words of a row beside each other.
  void load_words(Xbyak::CodeGenerator& code, const Xbyak::RegExp& w) {
    if (rows_ == YmmRows::kAsWordColumns) {
      for (int word = 0; word < 2; ++word) load_word_column(code, nibbles(word), w, word);
      return;
    }
    for (int word = 0; word < 2; ++word) load_word_column(code, codes(word), w, word);
    code.vpunpcklwd(nibbles(0), codes(0), codes(1));
    code.vpunpckhwd(nibbles(1), codes(0), codes(1));
  }
  void mask(Xbyak::CodeGenerator& code, const Ymm& words) {
    with(code, nibble_mask_, [&](const Xbyak::Operand& bits) { code.vpand(words, words, bits); });
  }

  static Ymm nibbles(int part) { return temporary(part); }
  static Ymm codes(int part) { return temporary(2 + part); }
  const std::array<Constant, 2> tables_;
  const Constant nibble_mask_;
  const std::array<std::optional<Ymm>, 2>
      kept_;  // high nibbles; else word columns are loaded twice
};

}  // namespace

std::unique_ptr<GroupDecoder> make_tl1_group_decoder() {
  return std::make_unique<Tl1DecoderZmm>();
}

std::unique_ptr<PanelDecoder> make_tl1_decoder(VectorFile vectors) {
  if (vectors.bytes == kZmmFile.bytes) return make_tl1_group_decoder();
  return make_tl1_ymm_decoder(kYmmPanelUse);
}

std::unique_ptr<YmmGroupDecoder> make_tl1_ymm_decoder(const YmmDecoderUse& use) {
  return std::make_unique<Tl1DecoderYmm>(use);
}

}  // namespace bitnetc::x64
