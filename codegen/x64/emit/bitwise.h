// Bitwise instructions whose name depends on the width of the vector.
#pragma once

#include "codegen/x64/x64_code.h"

namespace bitnetc::x64 {

// to = a & b
inline void bitwise_and(Xbyak::CodeGenerator& code, const Xbyak::Xmm& to, const Xbyak::Xmm& a,
                        const Xbyak::Xmm& b) {
  if (to.isZMM()) {
    code.vpandd(to, a, b);
  } else {
    code.vpand(to, a, b);
  }
}

// to = 0
inline void set_zero(Xbyak::CodeGenerator& code, const Xbyak::Xmm& to) {
  if (to.isZMM()) {
    code.vpxord(to, to, to);
  } else {
    code.vpxor(to, to, to);
  }
}

}  // namespace bitnetc::x64
