#include "codegen/x64/decode/panel_decoder.h"

#include "runtime/status.h"

namespace bitnetc::x64 {

void GroupDecoder::decode_block(Xbyak::CodeGenerator& code, const Xbyak::RegExp& w,
                                const Xbyak::RegExp& panel) {
  int stage = 0;
  for (const auto [begin, end] : stages()) {
    prepare(code, w, 0, stage, stage % 2);
    for (int group = begin; group < end; ++group)
      code.vmovups(code.ptr[panel + group * kDotGroupBytes], look_up(code, 0, group, stage % 2));
    ++stage;
  }
}

std::unique_ptr<GroupDecoder> make_group_decoder(LayoutId layout) {
  switch (layout) {
    case LayoutId::kTl1: return make_tl1_group_decoder();
    case LayoutId::kTl2: return make_tl2_group_decoder();
    case LayoutId::kB3: return make_b3_group_decoder();
    case LayoutId::kI2S: break;
  }
  BITNETC_CHECK(false, "layout {} has no decoder by groups", layout_name(layout));
}

std::unique_ptr<PanelDecoder> make_panel_decoder(LayoutId layout, VectorFile vectors) {
  switch (layout) {
    case LayoutId::kI2S: return make_i2s_decoder(vectors);
    case LayoutId::kTl1: return make_tl1_decoder(vectors);
    case LayoutId::kTl2: return make_tl2_decoder(vectors);
    case LayoutId::kB3: return make_b3_decoder(vectors);
  }
  BITNETC_CHECK(false, "layout {}", static_cast<int>(layout));
}

}  // namespace bitnetc::x64
