// What the panel decoders of tl1, tl2 and b3 share: constants in vector registers, the trits of a
// field's value, and the two ways in which word columns become the dwords of a panel.
#pragma once

#include <array>
#include <optional>
#include <vector>

#include "codegen/layout/word_columns.h"
#include "codegen/x64/decode/panel_decoder.h"

namespace bitnetc::x64 {

// Constants that stand behind the program, most of which are loaded into registers by their whole
// width.
class VectorConstants {
 public:
  explicit VectorConstants(int vector_bytes) : vector_bytes_(vector_bytes) {}

  struct EveryWord {
    unsigned word;
    unsigned operator()(int i) const { return word >> (8 * (i % 2)); }
  };

  // Register `to`, if there is one, gets byte_at(i) in byte i. Returns the number of the constant.
  template <typename ByteAt>
  int add(const std::optional<Xbyak::Xmm>& to, ByteAt byte_at) {
    Constant& constant = constants_.emplace_back(to);
    for (int i = 0; i < vector_bytes_; ++i)
      constant.bytes[static_cast<size_t>(i)] = static_cast<uint8_t>(byte_at(i));
    return static_cast<int>(constants_.size()) - 1;
  }
  void add_words(const Xbyak::Xmm& to, unsigned word) { add(to, EveryWord{word}); }
  void add_bytes(const Xbyak::Xmm& to, unsigned byte) {
    add(to, [byte](int) { return byte; });
  }

  void load(Xbyak::CodeGenerator& code) const;
  Xbyak::Address in_memory(Xbyak::CodeGenerator& code, int index) const {
    return code.ptr[code.rip + index * vector_bytes_ + data_];
  }
  void emit_data(Xbyak::CodeGenerator& code);

 private:
  struct Constant {
    explicit Constant(const std::optional<Xbyak::Xmm>& register_) : to(register_) {}
    std::optional<Xbyak::Xmm> to;
    std::array<uint8_t, 64> bytes{};
  };

  const int vector_bytes_;
  std::vector<Constant> constants_;
  Xbyak::Label data_;
};

// The common part of the decoders of word layouts: block sizes and constants. Base: PanelDecoder or
// GroupDecoder.
template <class Base>
class WordDecoder : public Base {
 public:
  int block_columns() const override { return format_.columns; }
  int block_bytes() const override { return static_cast<int>(format_.block_bytes()); }
  void load_constants(Xbyak::CodeGenerator& code) override { constants_.load(code); }
  void emit_data(Xbyak::CodeGenerator& code) override { constants_.emit_data(code); }

 protected:
  WordDecoder(const WordFormat& format, VectorFile vectors)
      : format_(format), constants_(vectors.bytes) {}

  const WordFormat& format_;
  VectorConstants constants_;
};

// Group `index` of a panel.
inline Xbyak::RegExp group_at(const Xbyak::RegExp& panel, int index) {
  return panel + index * kDotGroupBytes;
}

// The code (0, 1, 2) of trit t of a field of `trits` trits with value `value`; 0 if no field has
// that value.
uint8_t code_of_trit(int value, int trits, int t);

// Zmm permutations. The source holds two word columns, word r of each belonging to row r: what
// comes from the first word column are bytes 2r and 2r + 1, from the second 32 bytes further on.
// Dword r of the result is
enum class DwordOrder {
  kWordByWord,  // both bytes of the first word column, both of the second
  kByteByByte,  // the low bytes of both words, the high bytes of both
};
int source_byte(DwordOrder order, int i);

// Zmm: to = low bytes of the words of `low`, high bytes of the words of `to`; `low_bytes` has
// 0x00ff in every word.
void take_low_bytes(Xbyak::CodeGenerator& code, const Xbyak::Zmm& to, const Xbyak::Zmm& low,
                    const Xbyak::Operand& low_bytes);

// Ymm: loads a word column so that vpunpckl* of two such columns has rows 0..7 and vpunpckh* rows
// 8..15, in order: they work in the 128-bit lanes, so the low lane gets rows 0..3 and 8..11.
void load_for_unpack(Xbyak::CodeGenerator& code, const Xbyak::Ymm& to, const Xbyak::RegExp& words);

}  // namespace bitnetc::x64
