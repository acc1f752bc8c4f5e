#include "codegen/x64/matmul_program.h"

namespace bitnetc::x64 {

void MatmulProgram::store_output(const OutputRegs& regs, const Sums& sums, int output, int token,
                                 int part) {
  const Xbyak::Xmm value = vec(vectors_.count - 1), up = vec(vectors_.count - 2);
  const Xbyak::Xmm zero = vec(vectors_.count - 3);
  const Xbyak::RegExp to = regs.y + (output * kTileOutputBytes + part * vectors_.bytes);
  if (gated()) {
    scaled_sums(regs, value, sums(2 * output), 2 * output, token);
    scaled_sums(regs, up, sums(2 * output + 1), 2 * output + 1, token);
  } else {
    scaled_sums(regs, value, sums(output), output, token);
  }
  switch (spec_.epilogue) {
    case Epilogue::kScale: break;
    case Epilogue::kResidual: vaddps(value, value, ptr[to + regs.residual_delta]); break;
    case Epilogue::kRelu2Mul:
      // vmaxps returns its last operand for NaN and for two zeros: max(-0, +0) and max(NaN, +0) are
      // +0.
      vxorps(zero, zero, zero);
      vmaxps(value, value, zero);
      vmulps(value, value, value);
      vmulps(value, value, up);
      break;
    case Epilogue::kSiluMul:
    case Epilogue::kGeluMul: BITNETC_CHECK(false, "{} epilogue", epilogue_name(spec_.epilogue));
  }
  vmovups(ptr[to], value);
}

// to = float(sum of x·w) · (x_step · tile_scale)
void MatmulProgram::scaled_sums(const OutputRegs& regs, const Xbyak::Xmm& to,
                                const Xbyak::Address& sums, int tile, int token) {
  const Xbyak::Xmm factor = vec(vectors_.count - 3), scale = vec(vectors_.count - 4);
  vmovups(to, sums);
  if (sums_of_ == SumsOf::kCodes) {
    vpbroadcastd(factor, ptr[regs.x_sum + 4 * token]);
    vpsubd(to, to, factor);
  }
  vcvtdq2ps(to, to);
  vbroadcastss(factor, ptr[regs.x_step + 4 * token]);
  vbroadcastss(scale, ptr[regs.tile_scale + 4 * tile]);
  vmulps(factor, factor, scale);
  vmulps(to, to, factor);
}

}  // namespace bitnetc::x64
