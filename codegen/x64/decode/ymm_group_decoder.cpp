#include "codegen/x64/decode/ymm_group_decoder.h"

#include "runtime/status.h"

namespace bitnetc::x64 {

using Xbyak::Ymm;

YmmGroupDecoder::YmmGroupDecoder(const WordFormat& format, const YmmDecoderUse& use,
                                 int temporaries)
    : WordDecoder(format, kYmmFile),
      rows_(use.rows),
      next_(use.first_register),
      end_(kYmmFile.count - temporaries) {
  BITNETC_CHECK(next_ <= kYmmFile.count - kLeastYmmRegisters, "decoder begins at ymm{}", next_);
}

std::optional<Ymm> YmmGroupDecoder::take_register() {
  if (next_ >= end_) return std::nullopt;
  return Ymm(next_++);
}

void YmmGroupDecoder::decode_block(Xbyak::CodeGenerator& code, const Xbyak::RegExp& w,
                                   const Xbyak::RegExp& panel) {
  decode_groups(code, w, [&](int group, const Ymm& part0, const Ymm& part1) {
    code.vmovups(code.ptr[group_at(panel, group)], part0);
    code.vmovups(code.ptr[group_at(panel, group) + kYmmFile.bytes], part1);
  });
}

Ymm YmmGroupDecoder::in_register(Xbyak::CodeGenerator& code, const Constant& constant,
                                 const Ymm& spare) {
  if (constant.in_register) return *constant.in_register;
  code.vmovups(spare, constants_.in_memory(code, constant.index));
  return spare;
}

void YmmGroupDecoder::look_up(Xbyak::CodeGenerator& code, const Ymm& to, const Constant& table,
                              const Ymm& indices) {
  code.vpshufb(to, in_register(code, table, to), indices);
}

void YmmGroupDecoder::load_word_column(Xbyak::CodeGenerator& code, const Ymm& to,
                                       const Xbyak::RegExp& block, int word) const {
  const Xbyak::RegExp at = block + word * static_cast<int>(kWordColumnBytes);
  if (rows_ == YmmRows::kInOrder) {
    load_for_unpack(code, to, at);
  } else {
    code.vmovups(to, code.ptr[at]);
  }
}

std::unique_ptr<YmmGroupDecoder> make_ymm_group_decoder(LayoutId layout, const YmmDecoderUse& use) {
  switch (layout) {
    case LayoutId::kTl1: return make_tl1_ymm_decoder(use);
    case LayoutId::kTl2: return make_tl2_ymm_decoder(use);
    case LayoutId::kB3: return make_b3_ymm_decoder(use);
    case LayoutId::kI2S: break;
  }
  BITNETC_CHECK(false, "layout {} has no decoder by groups", layout_name(layout));
}

}  // namespace bitnetc::x64
