// The matmul kernels compiled ahead of time: any N, K < kStaticKLimit, M and epilogue, same bits as
// codegen/reference/matmul.cpp. One function per layout and tier; each to be called only where
// Target has the tier (avx512vbmi: and kAvx512Vbmi).
#pragma once

#include "codegen/kernel_spec.h"
#include "runtime/kernel_args.h"

namespace bitnetc {

// Sums of codes left at bit 6 are 64 times too large and cover a quarter of the columns:
// 64 * 2 * 128 * K/4 < 2^31.
inline constexpr int64_t kStaticKLimit = int64_t{1} << 19;

void matmul_i2s_avx2(const MatmulSpec& spec, const MatmulArgs& args);
void matmul_tl1_avx2(const MatmulSpec& spec, const MatmulArgs& args);
void matmul_tl2_avx2(const MatmulSpec& spec, const MatmulArgs& args);
void matmul_b3_avx2(const MatmulSpec& spec, const MatmulArgs& args);

void matmul_i2s_avxvnni(const MatmulSpec& spec, const MatmulArgs& args);
void matmul_tl1_avxvnni(const MatmulSpec& spec, const MatmulArgs& args);
void matmul_tl2_avxvnni(const MatmulSpec& spec, const MatmulArgs& args);
void matmul_b3_avxvnni(const MatmulSpec& spec, const MatmulArgs& args);

void matmul_i2s_avx512vnni(const MatmulSpec& spec, const MatmulArgs& args);
void matmul_tl1_avx512vnni(const MatmulSpec& spec, const MatmulArgs& args);
void matmul_tl2_avx512vbmi(const MatmulSpec& spec, const MatmulArgs& args);
void matmul_b3_avx512vbmi(const MatmulSpec& spec, const MatmulArgs& args);

}  // namespace bitnetc
