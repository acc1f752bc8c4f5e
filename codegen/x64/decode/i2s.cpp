// decode/i2s.cpp     i2_s blocks to panels: two-bit codes to bytes
//
// Work       vector ALU operations per vector of packed bytes, four vectors of the panel:
//            3 shifts + 4 and
// Layout     docs/layouts/i2_s.md: plane p of a block is group p of the block, byte by byte
#include "codegen/layout/i2_s.h"
#include "codegen/x64/decode/panel_decoder.h"
#include "codegen/x64/emit/bitwise.h"
#include "codegen/x64/emit/i2s_planes.h"

namespace bitnetc::x64 {
namespace {

using Xbyak::Xmm;

class I2sDecoder final : public PanelDecoder {
 public:
  explicit I2sDecoder(VectorFile vectors) : vectors_(vectors) {}

  int block_columns() const override { return static_cast<int>(i2s::kBlockColumns); }
  int block_bytes() const override { return static_cast<int>(i2s::kBlockBytes); }
  int block_operations() const override {
    constexpr int kShifts = I2sPlanes::kCount - 1, kMasks = I2sPlanes::kCount;
    return (kShifts + kMasks) * block_bytes() / vectors_.bytes;
  }

  void load_constants(Xbyak::CodeGenerator& code) override {
    const Xmm low(mask().getIdx());
    code.mov(code.eax, I2sPlanes::mask(0));
    code.vmovd(low, code.eax);
    code.vpbroadcastd(mask(), low);
  }

  void decode_block(Xbyak::CodeGenerator& code, const Xbyak::RegExp& w,
                    const Xbyak::RegExp& panel) override {
    for (int part = 0; part < block_bytes() / vectors_.bytes; ++part) {
      const int offset = part * vectors_.bytes;
      code.vmovups(plane(part, 0), code.ptr[w + offset]);
      for (int p = 1; p < I2sPlanes::kCount; ++p)
        code.vpsrlw(plane(part, p), plane(part, 0), static_cast<uint8_t>(2 * p));
      for (int p = 0; p < I2sPlanes::kCount; ++p) {
        // What a 16-bit shift drags in from the neighbouring byte goes too.
        bitwise_and(code, plane(part, p), plane(part, p), mask());
        code.vmovups(code.ptr[panel + (p * kDotGroupBytes + offset)], plane(part, p));
      }
    }
  }

  void emit_data(Xbyak::CodeGenerator&) override {}

 private:
  Xmm vec(int i) const {
    return Xmm(vectors_.bytes == 64 ? Xbyak::Operand::ZMM : Xbyak::Operand::YMM, i);
  }
  Xmm mask() const { return vec(0); }
  // Plane 0 is loaded: it holds all four until the others are shifted out.
  Xmm plane(int part, int p) const { return vec(1 + part * I2sPlanes::kCount + p); }

  const VectorFile vectors_;
};

}  // namespace

std::unique_ptr<PanelDecoder> make_i2s_decoder(VectorFile vectors) {
  return std::make_unique<I2sDecoder>(vectors);
}

}  // namespace bitnetc::x64
