// Decoders of the word layouts for AVX2. They leave a dot group in two vectors, which a dot product
// takes from registers. The panel decoders of 32-byte vectors are the same decoders; they store the
// vectors.
#pragma once

#include <functional>
#include <memory>
#include <optional>

#include "codegen/x64/decode/decoder_parts.h"
#include "codegen/x64/decode/ymm_decoder_use.h"

namespace bitnetc::x64 {

class YmmGroupDecoder : public WordDecoder<PanelDecoder> {
 public:
  // Emits the use of a group while its codes are in registers; it may change them.
  using Sink = std::function<void(int group, const Xbyak::Ymm& part0, const Xbyak::Ymm& part1)>;
  // The groups of the block at [w], in order.
  virtual void decode_groups(Xbyak::CodeGenerator& code, const Xbyak::RegExp& w,
                             const Sink& sink) = 0;
  void decode_block(Xbyak::CodeGenerator& code, const Xbyak::RegExp& w,
                    const Xbyak::RegExp& panel) final;

 protected:
  // In a register or, where there is none left, in memory.
  struct Constant {
    std::optional<Xbyak::Ymm> in_register;
    int index;  // within constants_
  };

  // Temporaries are the last registers, which others may change between blocks.
  YmmGroupDecoder(const WordFormat& format, const YmmDecoderUse& use, int temporaries);

  static Xbyak::Ymm temporary(int i) { return Xbyak::Ymm(kYmmFile.count - 1 - i); }
  // The next register that is neither taken nor a temporary, if there is one.
  std::optional<Xbyak::Ymm> take_register();

  // The first ones made get registers.
  template <typename ByteAt>
  Constant constant(ByteAt byte_at) {
    const std::optional<Xbyak::Ymm> to = take_register();
    return {.in_register = to, .index = constants_.add(to, byte_at)};
  }
  Constant constant_words(unsigned word) {
    return constant([word](int i) { return word >> (8 * (i % 2)); });
  }
  Constant constant_bytes(unsigned byte) {
    return constant([byte](int) { return byte; });
  }

  // emit(operand)
  template <typename Emit>
  void with(Xbyak::CodeGenerator& code, const Constant& constant, Emit emit) {
    if (constant.in_register) {
      emit(*constant.in_register);
    } else {
      emit(constants_.in_memory(code, constant.index));
    }
  }
  // to[i] = table[indices[i]]; `to` is not `indices` if the table is in memory.
  void look_up(Xbyak::CodeGenerator& code, const Xbyak::Ymm& to, const Constant& table,
               const Xbyak::Ymm& indices);
  // The register of a constant, or `spare`, loaded with it.
  Xbyak::Ymm in_register(Xbyak::CodeGenerator& code, const Constant& constant,
                         const Xbyak::Ymm& spare);

  void load_word_column(Xbyak::CodeGenerator& code, const Xbyak::Ymm& to,
                        const Xbyak::RegExp& block, int word) const;

  const YmmRows rows_;

 private:
  int next_;       // free register
  const int end_;  // the temporaries begin
};

std::unique_ptr<YmmGroupDecoder> make_ymm_group_decoder(LayoutId layout, const YmmDecoderUse& use);

// One per layout, each in its own file.
std::unique_ptr<YmmGroupDecoder> make_tl1_ymm_decoder(const YmmDecoderUse& use);
std::unique_ptr<YmmGroupDecoder> make_tl2_ymm_decoder(const YmmDecoderUse& use);
std::unique_ptr<YmmGroupDecoder> make_b3_ymm_decoder(const YmmDecoderUse& use);

}  // namespace bitnetc::x64
