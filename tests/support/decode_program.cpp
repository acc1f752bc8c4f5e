#include "tests/support/decode_program.h"

#include "codegen/x64/decode/ymm_group_decoder.h"

namespace bitnetc::test {
namespace {

using namespace x64;

class DecodeProgram final : public X64Code {
 public:
  DecodeProgram(VectorFile vectors, std::unique_ptr<PanelDecoder> decoder)
      : X64Code(vectors), decoder_(std::move(decoder)) {}

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
    add(panel, decoder_->block_columns() / kDotGroupColumns * kDotGroupBytes);
    dec(blocks_left);
    jnz(top, T_NEAR);
    finish();
    decoder_->emit_data(*this);
  }

  const std::unique_ptr<PanelDecoder> decoder_;
};

std::vector<uint8_t> bytes_of(DecodeProgram&& program) {
  const std::span<const uint8_t> code = program.emit();
  return {code.begin(), code.end()};
}

}  // namespace

std::vector<uint8_t> decode_program(LayoutId layout, int vector_bytes) {
  const VectorFile vectors = vector_bytes == kZmmFile.bytes ? kZmmFile : kYmmFile;
  return bytes_of(DecodeProgram(vectors, make_panel_decoder(layout, vectors)));
}

std::vector<uint8_t> ymm_decode_program(LayoutId layout, const YmmDecoderUse& use) {
  return bytes_of(DecodeProgram(kYmmFile, make_ymm_group_decoder(layout, use)));
}

}  // namespace bitnetc::test
