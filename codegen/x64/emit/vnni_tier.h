// What sets the two VNNI tiers apart: the vectors they have and the encoding of vpdpbusd.
#pragma once

#include "codegen/x64/x64_code.h"

namespace bitnetc::x64 {

struct VnniTier {
  VectorFile vectors;
  Xbyak::PreferredEncoding encoding;

  // Whether vpdpbusd broadcasts a dword of memory itself.
  constexpr bool dot_broadcasts() const { return encoding == Xbyak::EvexEncoding; }
};
inline constexpr VnniTier kAvxVnniTier{.vectors = kYmmFile, .encoding = Xbyak::VexEncoding};
inline constexpr VnniTier kAvx512VnniTier{.vectors = kZmmFile, .encoding = Xbyak::EvexEncoding};

}  // namespace bitnetc::x64
