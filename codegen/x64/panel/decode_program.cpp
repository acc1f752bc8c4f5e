#include "codegen/x64/panel/decode_program.h"

#include "codegen/x64/panel/panel_decoder.h"

namespace bitnetc::x64 {
namespace {

class DecodeProgram final : public X64Code {
 public:
  DecodeProgram(LayoutId layout, VectorFile vectors)
      : X64Code(vectors), decoder_(make_panel_decoder(layout, vectors)) {}

 private:
  void generate() override {
    const Xbyak::Reg64 w = rdi, panel = rsi, blocks_left = rdx;
    Xbyak::Label top;
    prologue(0);
    decoder_->load_constants(*this);
    align(kLoopAlignment);
    L(top);
    decoder_->decode_block(*this, w, panel);
    add(w, decoder_->block_bytes());
    add(panel, decoder_->block_columns() / kPanelGroupColumns * kPanelGroupBytes);
    dec(blocks_left);
    jnz(top, T_NEAR);
    finish();
    decoder_->emit_data(*this);
  }

  const std::unique_ptr<PanelDecoder> decoder_;
};

}  // namespace

std::vector<uint8_t> decode_program(LayoutId layout, int vector_bytes) {
  const VectorFile vectors{.count = vector_bytes == 64 ? 32 : 16, .bytes = vector_bytes};
  DecodeProgram program(layout, vectors);
  const std::span<const uint8_t> code = program.emit();
  return {code.begin(), code.end()};
}

}  // namespace bitnetc::x64
