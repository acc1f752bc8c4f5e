// silu and gelu of a vector of floats, bit for bit those of docs/numerics.md section 4. Constants
// are operands in memory, so that four vector registers are enough and nothing is kept between
// calls.
//
//   exp(x)    clamp 2, n 2, r 2, polynomial 7, powers of two 9    22 instructions
//   silu(x)   sign, exp, addition, division                       25
//   gelu(x)   4 for the slope, then as silu                       29
#pragma once

#include "codegen/x64/emit/constant_pool.h"
#include "codegen/x64/x64_code.h"

namespace bitnetc::x64 {

class GateFunctions {
 public:
  // `vectors`: 32 bytes means AVX2 and FMA, 64 bytes AVX-512 F and DQ.
  explicit GateFunctions(VectorFile vectors) : vectors_(vectors), constants_(vectors) {}

  // Registers of the program's width, all different.
  struct Registers {
    Xbyak::Xmm value;  // x, replaced by the function of x
    Xbyak::Xmm argument, power, series;
  };
  void silu(Xbyak::CodeGenerator& code, const Registers& registers);
  void gelu(Xbyak::CodeGenerator& code, const Registers& registers);

  // Once, after the program's ret; nothing if neither function was used.
  void emit_data(Xbyak::CodeGenerator& code) { constants_.emit(code); }

 private:
  // series = exp(argument); changes argument and power.
  void exp(Xbyak::CodeGenerator& code, const Registers& registers);
  // value = value / (1 + exp(-argument))
  void divide(Xbyak::CodeGenerator& code, const Registers& registers);

  const VectorFile vectors_;
  ConstantPool constants_;
};

}  // namespace bitnetc::x64
