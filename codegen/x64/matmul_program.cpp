#include "codegen/x64/matmul_program.h"

#include <algorithm>

namespace bitnetc::x64 {

int blocks_per_iteration(int64_t block_columns, int k_unroll) {
  return std::max(1, k_unroll * kUnrollColumns / static_cast<int>(block_columns));
}

void MatmulProgram::store_output(const OutputRegs& regs, const Sums& sums, int output, int token,
                                 int part) {
  const Xbyak::Xmm value = vec(vectors_.count - 1), up = vec(vectors_.count - 2);
  const Xbyak::RegExp to = regs.y + (output * kTileOutputBytes + part * vectors_.bytes);
  if (gated()) {
    scaled_sums(regs, value, sums(2 * output), 2 * output, token);
    apply_gate(value);
    scaled_sums(regs, up, sums(2 * output + 1), 2 * output + 1, token);
    vmulps(value, value, up);
  } else {
    scaled_sums(regs, value, sums(output), output, token);
    if (spec_.epilogue == Epilogue::kResidual) vaddps(value, value, ptr[to + regs.residual_delta]);
  }
  vmovups(ptr[to], value);
  if (spec_.row_absmax) fold_row_absmax(regs, value, token);
}

// A dozen instructions per vector of outputs: 2 % of a product with K = 2560 (AMD EPYC Zen 5,
// AVX-512). vmaxps returns its last operand where the other is a NaN: a NaN leaves the maximum so
// far, and from then on there are none.
void MatmulProgram::fold_row_absmax(const OutputRegs& regs, const Xbyak::Xmm& value, int token) {
  const int most = vectors_.count - 2, other = vectors_.count - 3;
  const Xbyak::Address so_far = ptr[regs.row_absmax + 4 * token];
  vbroadcastss(vec(other), so_far);
  vpslld(vec(most), value, 1);  // the sign goes
  vpsrld(vec(most), vec(most), 1);
  vmaxps(vec(most), vec(most), vec(other));
  if (vectors_.bytes == 64) {
    vextractf64x4(Xbyak::Ymm(other), Xbyak::Zmm(most), 1);
    vmaxps(Xbyak::Ymm(most), Xbyak::Ymm(most), Xbyak::Ymm(other));
    vextractf32x4(Xbyak::Xmm(other), Xbyak::Ymm(most), 1);
  } else {
    vextractf128(Xbyak::Xmm(other), Xbyak::Ymm(most), 1);
  }
  constexpr uint8_t kSwapPairs = 0b01001110, kSwapNeighbours = 0b10110001;
  vmaxps(Xbyak::Xmm(most), Xbyak::Xmm(most), Xbyak::Xmm(other));
  for (const uint8_t order : {kSwapPairs, kSwapNeighbours}) {
    vpermilps(Xbyak::Xmm(other), Xbyak::Xmm(most), order);
    vmaxps(Xbyak::Xmm(most), Xbyak::Xmm(most), Xbyak::Xmm(other));
  }
  vmovss(so_far, Xbyak::Xmm(most));
}

void MatmulProgram::apply_gate(const Xbyak::Xmm& value) {
  const Xbyak::Xmm a = vec(vectors_.count - 2), b = vec(vectors_.count - 3);
  const Xbyak::Xmm c = vec(vectors_.count - 4);
  switch (spec_.epilogue) {
    case Epilogue::kRelu2Mul:
      // vmaxps returns its last operand for NaN and for two zeros: max(-0, +0) and max(NaN, +0) are
      // +0.
      vxorps(a, a, a);
      vmaxps(value, value, a);
      vmulps(value, value, value);
      break;
    case Epilogue::kSiluMul: gate_functions_.silu(*this, {value, a, b, c}); break;
    case Epilogue::kGeluMul: gate_functions_.gelu(*this, {value, a, b, c}); break;
    case Epilogue::kScale:
    case Epilogue::kResidual: BITNETC_CHECK(false, "{}: no gate", epilogue_name(spec_.epilogue));
  }
}

// to = float(sum of x·w) · (x_scale · tile_scale)
void MatmulProgram::scaled_sums(const OutputRegs& regs, const Xbyak::Xmm& to,
                                const Xbyak::Address& sums, int tile, int token) {
  const Xbyak::Xmm factor = vec(vectors_.count - 3), scale = vec(vectors_.count - 4);
  vmovups(to, sums);
  if (sums_of_ == SumsOf::kCodes) {
    vpbroadcastd(factor, ptr[regs.x_sum + 4 * token]);
    vpsubd(to, to, factor);
  }
  vcvtdq2ps(to, to);
  vbroadcastss(factor, ptr[regs.x_scale + 4 * token]);
  vbroadcastss(scale, ptr[regs.tile_scale + 4 * tile]);
  vmulps(factor, factor, scale);
  vmulps(to, to, factor);
}

}  // namespace bitnetc::x64
