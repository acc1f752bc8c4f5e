#include "codegen/x64/emit/gate_functions.h"

namespace bitnetc::x64 {

using Xbyak::CodeGenerator;

void GateFunctions::silu(CodeGenerator& code, const Registers& registers) {
  code.vmovaps(registers.argument, registers.value);
  divide(code, registers);
}

// argument = x * fma(x * x, cubic, linear)
void GateFunctions::gelu(CodeGenerator& code, const Registers& registers) {
  constexpr float kLinear = 0x1.988454p+0f;  // 2 * sqrt(2/pi)
  constexpr float kCubic = 0x1.2444f2p-4f;   // 0.044715 * 2 * sqrt(2/pi)
  const auto& [value, argument, power, series] = registers;
  code.vmulps(argument, value, value);
  code.vmovups(series, constants_.floats(kLinear));
  code.vfmadd132ps(argument, series, constants_.floats(kCubic));
  code.vmulps(argument, value, argument);
  divide(code, registers);
}

void GateFunctions::divide(CodeGenerator& code, const Registers& registers) {
  constexpr uint32_t kSign = 0x80000000;
  const auto& [value, argument, power, series] = registers;
  code.vxorps(argument, argument, constants_.dwords(kSign));
  exp(code, registers);
  code.vaddps(series, series, constants_.floats(1.0f));
  code.vdivps(value, value, series);
}

void GateFunctions::exp(CodeGenerator& code, const Registers& registers) {
  const auto& [value, argument, power, series] = registers;
  code.vmaxps(argument, argument, constants_.floats(-104.0f));
  code.vminps(argument, argument, constants_.floats(89.0f));

  // power = n
  constexpr uint8_t kToNearestEven = 0b1000;
  code.vmulps(power, argument, constants_.floats(0x1.715476p+0f));  // log2(e)
  if (vectors_.bytes == 64) {
    code.vrndscaleps(power, power, kToNearestEven);
  } else {
    code.vroundps(power, power, kToNearestEven);
  }
  // argument = r; ln 2 in two parts
  code.vfmadd231ps(argument, power, constants_.floats(-0x1.62e430p-1f));
  code.vfmadd231ps(argument, power, constants_.floats(0x1.05c610p-29f));
  code.vmovups(series, constants_.floats(0x1.6fef60p-10f));
  for (const float coefficient : {0x1.1257d8p-7f, 0x1.555300p-5f, 0x1.555466p-3f, 0.5f, 1.0f, 1.0f})
    code.vfmadd213ps(series, argument, constants_.floats(coefficient));

  // 2^n as 2^(n >> 1) * 2^(the rest)
  constexpr uint32_t kExponentBias = 127;
  constexpr uint8_t kMantissaBits = 23;
  code.vcvtps2dq(power, power);
  code.vpsrad(argument, power, uint8_t{1});
  code.vpsubd(power, power, argument);
  for (const Xbyak::Xmm& factor : {argument, power}) {
    code.vpaddd(factor, factor, constants_.dwords(kExponentBias));
    code.vpslld(factor, factor, kMantissaBits);
    code.vmulps(series, series, factor);
  }
}

}  // namespace bitnetc::x64
