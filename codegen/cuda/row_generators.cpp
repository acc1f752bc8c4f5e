// The generators of operations that do a token, or a few of one sequence, per call
// (GpuCode::Calls::kMany): a block a row, a head, a piece of a row or a call.
#include "codegen/cuda/cuda_generator.h"
#include "codegen/cuda/cuda_generators.h"
#include "codegen/cuda/value_names.h"
#include "runtime/attention_scratch.h"
#include "runtime/rounding.h"

namespace bitnetc {
namespace cuda {
namespace {

// Of a row that a block keeps in registers: 24 elements each of 1,024 threads, which have 64
// registers.
constexpr int64_t kLongestRow = 24576;
constexpr int64_t kLongestRowWithResidual = 16384;  // of which more is in flight
constexpr int64_t kElementThreads = 256;            // of kernels with a thread an element

// A power of two, so that whole rounds of them stage a row; about eight elements a thread.
uint32_t threads_for_row(int64_t k) {
  uint32_t threads = 64;
  while (threads < 1024 && threads * 8 < k) threads *= 2;
  return threads;
}

Status check_row(std::string_view letter, int64_t k, int64_t longest = kLongestRow) {
  if (k <= longest) return {};
  return make_error(StatusCode::kUnsupported, "{} = {}: a block keeps a row of at most {}", letter,
                    k, longest);
}
template <typename Spec>
Status check_k(const Spec& spec, const KernelPlan&, int) {
  return check_row("k", spec.k);
}

Program quantize(const QuantizeSpec& spec, const KernelPlan&, int) {
  Program program{.file = "norm.cuh",
                  .function = "quantize",
                  .args = "QuantizeArgs",
                  .args_bytes = sizeof(QuantizeArgs),
                  .threads = threads_for_row(spec.k)};
  program.constants.add("k", spec.k);
  program.constants.add("padded_k", spec.padded_k());
  program.constants.add("find_absmax", spec.find_absmax);
  launch_always(program, 1);
  return program;
}

Program norm_quantize(const NormQuantizeSpec& spec, const KernelPlan&, int) {
  Program program{.file = "norm.cuh",
                  .function = "norm_quantize",
                  .args = "NormQuantizeArgs",
                  .args_bytes = sizeof(NormQuantizeArgs),
                  .threads = threads_for_row(spec.k)};
  program.constants.add("k", spec.k);
  program.constants.add("padded_k", spec.padded_k());
  program.constants.add("eps", spec.eps);
  launch_always(program, 1);
  return program;
}

Program rms_norm(const RmsNormSpec& spec, const KernelPlan&, int) {
  Program program{.file = "norm.cuh",
                  .function = "rms_norm",
                  .args = "RmsNormArgs",
                  .args_bytes = sizeof(RmsNormArgs),
                  .threads = threads_for_row(spec.k)};
  program.constants.add("k", spec.k);
  program.constants.add("eps", spec.eps);
  program.constants.add("residual", spec.residual);
  launch_always(program, 1);
  return program;
}

Status check_rms_norm(const RmsNormSpec& spec, const KernelPlan&, int) {
  return check_row("k", spec.k, kLongestRowWithResidual);
}

Program head_norm(const HeadNormSpec& spec, const KernelPlan&, int) {
  Program program{.file = "norm.cuh",
                  .function = "head_norm",
                  .args = "HeadNormArgs",
                  .args_bytes = sizeof(HeadNormArgs),
                  .threads = threads_for_row(spec.head_dim)};
  program.constants.add("k", spec.head_dim);
  program.constants.add("eps", spec.eps);
  launch_always(program, spec.heads);
  return program;
}
Status check_head_norm(const HeadNormSpec& spec, const KernelPlan&, int) {
  return check_row("d", spec.head_dim);
}

Program glu(const GluSpec& spec, const KernelPlan&, int) {
  Program program{.file = "elementwise.cuh",
                  .function = "glu",
                  .args = "GluArgs",
                  .args_bytes = sizeof(GluArgs),
                  .threads = kElementThreads};
  program.constants.add("n", spec.n);
  program.constants.add("gate", "Gate", gate_name(spec.epilogue));
  launch_always(program, ceil_div(spec.n, kElementThreads));
  return program;
}

Program embed(const EmbedSpec& spec, const KernelPlan&, int) {
  Program program{.file = "elementwise.cuh",
                  .function = "embed",
                  .args = "EmbedArgs",
                  .args_bytes = sizeof(EmbedArgs),
                  .threads = kElementThreads};
  program.constants.add("k", spec.k);
  program.constants.add("type", "Float", float_name(spec.type));
  program.constants.add("scale", spec.scale);
  launch_always(program, ceil_div(spec.k, kElementThreads));
  return program;
}

Program rope_append(const RopeAppendSpec& spec, const KernelPlan&, int) {
  const int64_t half = spec.head_dim / 2;
  Program program{
      .file = "rope_append.cuh",
      .function = "rope_append",
      .args = "RopeAppendArgs",
      .args_bytes = sizeof(RopeAppendArgs),
      .threads = static_cast<uint32_t>(std::min<int64_t>(1024, round_up(half, int64_t{kWarp})))};
  program.constants.add("q_heads", spec.q_heads);
  program.constants.add("half", half);
  program.constants.add("k_offset", spec.k_offset());
  program.constants.add("v_offset", spec.v_offset());
  program.constants.add("kv_type", "Kv", kv_name(spec.kv_type));
  program.constants.add("scales_offset", spec.layout().scales_offset());
  launch_always(program, spec.q_heads + spec.kv_heads);
  return program;
}

Program attention(const AttentionSpec& spec, const KernelPlan&, int) {
  const AttentionScratch scratch{.head_dim = spec.head_dim, .heads = spec.q_per_kv};
  Program program{.file = "attention.cuh",
                  .function = "attention",
                  .args = "AttentionArgs",
                  .args_bytes = sizeof(AttentionArgs),
                  .threads = 256,
                  .blocks_of_multiprocessor = 1};
  program.constants.add("head_dim", spec.head_dim);
  program.constants.add("heads", spec.q_per_kv);
  program.constants.add("window", spec.window);
  program.constants.add("scale", spec.scale);
  program.constants.add("kv_type", "Kv", kv_name(spec.kv_type));
  program.constants.add("scales_offset", spec.layout().scales_offset());
  program.constants.add("record_elements", scratch.record_elements());
  program.constants.add("chunk_elements", scratch.chunk_elements());
  launch_always(program, 1);
  return program;
}

}  // namespace
}  // namespace cuda

std::unique_ptr<Generator> make_cuda_quantize() {
  return cuda::make_cuda_generator<QuantizeSpec>({.name = "cuda_quantize",
                                                  .suffix = "cuda",
                                                  .revision = 1,
                                                  .program = cuda::quantize,
                                                  .accepts = cuda::check_k});
}
std::unique_ptr<Generator> make_cuda_norm_quantize() {
  return cuda::make_cuda_generator<NormQuantizeSpec>({.name = "cuda_norm_quantize",
                                                      .suffix = "cuda",
                                                      .revision = 1,
                                                      .program = cuda::norm_quantize,
                                                      .accepts = cuda::check_k});
}
std::unique_ptr<Generator> make_cuda_rms_norm() {
  return cuda::make_cuda_generator<RmsNormSpec>({.name = "cuda_rms_norm",
                                                 .suffix = "cuda",
                                                 .revision = 1,
                                                 .program = cuda::rms_norm,
                                                 .accepts = cuda::check_rms_norm});
}
std::unique_ptr<Generator> make_cuda_head_norm() {
  return cuda::make_cuda_generator<HeadNormSpec>({.name = "cuda_head_norm",
                                                  .suffix = "cuda",
                                                  .revision = 1,
                                                  .program = cuda::head_norm,
                                                  .accepts = cuda::check_head_norm});
}
std::unique_ptr<Generator> make_cuda_glu() {
  return cuda::make_cuda_generator<GluSpec>(
      {.name = "cuda_glu", .suffix = "cuda", .revision = 1, .program = cuda::glu});
}
std::unique_ptr<Generator> make_cuda_embed() {
  return cuda::make_cuda_generator<EmbedSpec>(
      {.name = "cuda_embed", .suffix = "cuda", .revision = 1, .program = cuda::embed});
}
std::unique_ptr<Generator> make_cuda_rope_append() {
  return cuda::make_cuda_generator<RopeAppendSpec>(
      {.name = "cuda_rope_append", .suffix = "cuda", .revision = 1, .program = cuda::rope_append});
}

std::unique_ptr<Generator> make_cuda_attention() {
  return cuda::make_cuda_generator<AttentionSpec>(
      {.name = "cuda_attention", .suffix = "cuda", .revision = 1, .program = cuda::attention});
}

}  // namespace bitnetc
