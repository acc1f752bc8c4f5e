// The generators of code for NVIDIA GPUs. kernels.inc lists them; every build has them, for all
// that they need is opened when a kernel is built (codegen/cuda/nvrtc_compiler.h). Their kernels
// end in "cuda" whatever the GPU. Whether NVRTC is there accepts() does not ask: build() says it.
#pragma once

#include <memory>

#include "codegen/kernel_builder.h"

namespace bitnetc {

std::unique_ptr<Generator> make_cuda_norm_quantize();
std::unique_ptr<Generator> make_cuda_quantize();
std::unique_ptr<Generator> make_cuda_rms_norm();
std::unique_ptr<Generator> make_cuda_head_norm();
std::unique_ptr<Generator> make_cuda_rope_append();
std::unique_ptr<Generator> make_cuda_glu();
std::unique_ptr<Generator> make_cuda_embed();
std::unique_ptr<Generator> make_cuda_attention();
std::unique_ptr<Generator> make_cuda_head();
std::unique_ptr<Generator> make_cuda_matmul_dp4a();
std::unique_ptr<Generator> make_cuda_matmul_mma();

}  // namespace bitnetc
