// decode_tl1.cpp     tl1 blocks to panels: a look-up per nibble and trit
//
//   cells A, B     --interleave words-->  (A_r, B_r) of each row  --split-->  low nibbles, high nibbles
//   low nibbles    look up trit 0: columns 0..3,  trit 1: columns 4..7
//   high nibbles   look up trit 0: columns 8..11, trit 1: columns 12..15
//
// Block      16 columns of 16 rows: 64 bytes -> 4 groups, 256 weights
// Work       vector operations for a block, shuffles among them (unpacks too), stores:
//            zmm   8   5   4      F and BW only
//            ymm  18  12   8
// Bound      zmm: the store of 64 bytes a cycle, 4 cycles; where one port shuffles, as on Intel cores at 512
//            bits, the shuffles. ymm: the shuffles, on two ports; AMD's cores unpack on all four.
//            AMD EPYC Zen 5: 4.0 and 6.2 cycles a block, from L2 252 and 165 Gweights/s
// Exactness  The tables have an entry for each of the nine values of a nibble.
// Layout     docs/layouts/tl1.md
#include "codegen/x64/panel/decoder_parts.h"

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

class Tl1DecoderYmm final : public WordDecoder<PanelDecoder> {
 public:
  Tl1DecoderYmm() : WordDecoder(tl1_format(), kYmmFile) {
    constants_.add_bytes(nibble_mask_, 0x0f);
    for (int t = 0; t < kTrits; ++t)
      constants_.add(table(t), [t](int i) { return table_entry(t, i); });
  }

  void decode_block(Xbyak::CodeGenerator& code, const Xbyak::RegExp& w,
                    const Xbyak::RegExp& panel) override {
    load_cell_for_unpack(code, first_, w);
    load_cell_for_unpack(code, second_, w + static_cast<int>(kCellBytes));
    code.vpunpcklwd(low_, first_, second_);
    decode_rows(code, panel);
    code.vpunpckhwd(low_, first_, second_);
    decode_rows(code, panel + kYmmFile.bytes);
  }

 private:
  // The eight rows whose words are in low_.
  void decode_rows(Xbyak::CodeGenerator& code, const Xbyak::RegExp& panel) {
    code.vpsrlw(high_, low_, 4);
    code.vpand(low_, low_, nibble_mask_);
    code.vpand(high_, high_, nibble_mask_);
    for (int group = 0; group < kGroups; ++group) {
      code.vpshufb(codes_, table(group % kTrits), group < kTrits ? low_ : high_);
      code.vmovups(code.ptr[group_at(panel, group)], codes_);
    }
  }

  static Ymm table(int t) { return Ymm(1 + t); }
  const Ymm nibble_mask_{0};
  const Ymm first_{3}, second_{4}, low_{5}, high_{6}, codes_{7};
};

}  // namespace

std::unique_ptr<GroupDecoder> make_tl1_group_decoder() {
  return std::make_unique<Tl1DecoderZmm>();
}

std::unique_ptr<PanelDecoder> make_tl1_decoder(VectorFile vectors) {
  if (vectors.bytes == kZmmFile.bytes) return make_tl1_group_decoder();
  return std::make_unique<Tl1DecoderYmm>();
}

}  // namespace bitnetc::x64
