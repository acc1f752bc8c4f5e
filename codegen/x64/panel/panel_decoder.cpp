#include "codegen/x64/panel/panel_decoder.h"

#include "runtime/status.h"

namespace bitnetc::x64 {

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
