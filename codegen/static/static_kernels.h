// The kernels compiled ahead of time for AVX2 + FMA + F16C: same arguments and same bits as the
// functions of codegen/reference/reference.h, run-time shapes. To be called only where Target has
// kAvx2. They do not touch a byte outside their buffers, whatever the shape.
#pragma once

#include "codegen/kernel_spec.h"
#include "runtime/kernel_args.h"

namespace bitnetc {

void attention_avx2(const AttentionSpec& spec, const AttentionArgs& args);  // head_dim >= 8
void head_avx2(const HeadSpec& spec, const HeadArgs& args);
void rope_append_avx2(const RopeAppendSpec& spec, const RopeAppendArgs& args);
void embed_avx2(const EmbedSpec& spec, const EmbedArgs& args);
void quantize_avx2(const QuantizeSpec& spec, const QuantizeArgs& args);
void rms_norm_avx2(const RmsNormSpec& spec, const RmsNormArgs& args);
void head_norm_avx2(const HeadNormSpec& spec, const HeadNormArgs& args);
void glu_avx2(const GluSpec& spec, const GluArgs& args);

}  // namespace bitnetc
