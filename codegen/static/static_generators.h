// The generators whose kernels are compiled ahead of time: what runs where code cannot or need not
// be generated. They take any shape as run-time values; a kernel is a function and its spec.
// Present in x86-64 builds; kernels.inc lists them.
#pragma once

#include <memory>

#include "codegen/kernel_builder.h"

namespace bitnetc {

std::unique_ptr<Generator> make_static_matmul_avx512vnni();
std::unique_ptr<Generator> make_static_matmul_avxvnni();
std::unique_ptr<Generator> make_static_matmul_avx2();
std::unique_ptr<Generator> make_static_attention_avx2();
std::unique_ptr<Generator> make_static_head_avx2();
std::unique_ptr<Generator> make_static_rope_append_avx2();
std::unique_ptr<Generator> make_static_embed_avx2();
std::unique_ptr<Generator> make_static_rms_norm_avx2();
std::unique_ptr<Generator> make_static_head_norm_avx2();
std::unique_ptr<Generator> make_static_glu_avx2();
std::unique_ptr<Generator> make_static_quantize_avx2();

}  // namespace bitnetc
