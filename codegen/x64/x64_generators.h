// The hand-scheduled x86-64 generators, one per family and tier; codegen/kernels.inc lists them.
// Each makes i8 x ternary matrix products over the i2_s layout:
//   gemv       M = 1: one token, bound by memory or by decoding
//   small_m    M = 2..8: a few tokens share each decoded weight
// Present only in builds for x86-64. Their code is generated on any x86-64 machine; running it
// needs the tier.
#pragma once

#include <memory>

#include "codegen/kernel_builder.h"

namespace bitnetc {

std::unique_ptr<Generator> make_x64_gemv_i2s_avx2();
std::unique_ptr<Generator> make_x64_small_m_i2s_avx2();
std::unique_ptr<Generator> make_x64_gemv_i2s_avxvnni();
std::unique_ptr<Generator> make_x64_small_m_i2s_avxvnni();
std::unique_ptr<Generator> make_x64_gemv_i2s_avx512vnni();
std::unique_ptr<Generator> make_x64_small_m_i2s_avx512vnni();

}  // namespace bitnetc
