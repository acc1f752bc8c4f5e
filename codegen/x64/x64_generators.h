// The hand-scheduled x86-64 generators, one per tier; codegen/kernels.inc lists them. Present only
// in builds for x86-64. Their code is generated on any x86-64 machine; running it needs the tier.
#pragma once

#include <memory>

#include "codegen/kernel_builder.h"

namespace bitnetc {

// i8 x ternary matrix products for 1 to 8 tokens: one token is bound by memory or by decoding, more
// tokens share each decoded weight.
std::unique_ptr<Generator> make_x64_matmul_i2s_avx2();
std::unique_ptr<Generator> make_x64_matmul_i2s_avxvnni();
std::unique_ptr<Generator> make_x64_matmul_i2s_avx512vnni();
std::unique_ptr<Generator> make_x64_matmul_words_avx2();
std::unique_ptr<Generator> make_x64_matmul_words_avxvnni();
std::unique_ptr<Generator> make_x64_matmul_words_avx512vnni();
// Lookup tables, and the LUT kernels that read them, for one token (layouts tl1, tl2, b3).
std::unique_ptr<Generator> make_x64_tables_avx2();
std::unique_ptr<Generator> make_x64_tables_avx512();
std::unique_ptr<Generator> make_x64_lut_avx2();
std::unique_ptr<Generator> make_x64_lut_avx512();

std::unique_ptr<Generator> make_x64_head_avx2();
std::unique_ptr<Generator> make_x64_head_avx512();
// Estimates of logits, for the screened head.
std::unique_ptr<Generator> make_x64_screen_avx2();
std::unique_ptr<Generator> make_x64_screen_avxvnni();
std::unique_ptr<Generator> make_x64_screen_avx512vnni();
std::unique_ptr<Generator> make_x64_screen_amx();

// The skipping projections of an FFN with squared ReLU, for one token.
std::unique_ptr<Generator> make_x64_sparse_up_avx512vnni();
std::unique_ptr<Generator> make_x64_sparse_down_avx512vnni();

// Any number of tokens, in every layout: weights are decoded into a panel, and the panel is
// multiplied.
std::unique_ptr<Generator> make_x64_panel_avx2();
std::unique_ptr<Generator> make_x64_panel_avxvnni();
std::unique_ptr<Generator> make_x64_panel_avx512vnni();
std::unique_ptr<Generator> make_x64_panel_amx();

// Attention, for head dims of whole vectors.
std::unique_ptr<Generator> make_x64_attention_avx2();
std::unique_ptr<Generator> make_x64_attention_avx512();

}  // namespace bitnetc
