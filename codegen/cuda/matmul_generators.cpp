// The CUDA generators of ternary matmuls.
#include "codegen/cuda/cuda_generator.h"
#include "codegen/cuda/cuda_generators.h"
#include "codegen/cuda/value_names.h"
#include "runtime/rounding.h"

namespace bitnetc {
namespace cuda {
namespace {

constexpr int64_t kKLimit = int64_t{1} << 19;  // sums of planes stay inside of int32
constexpr int kManyTokens = 8;                 // of a block, where a call may have any number

constexpr int kWarpsWorthTrying[] = {2, 4, 8};
constexpr PlanField kDp4aFields[] = {{.letter = 'w',
                                      .name = "warps",
                                      .meaning = "warps of a block, which share its columns",
                                      .standard = 4,
                                      .worth_trying = kWarpsWorthTrying}};

Status check_dp4a(const MatmulSpec& spec, const KernelPlan& plan, int) {
  if (spec.layout != LayoutId::kI2S)
    return make_error(StatusCode::kUnsupported, "reads layout i2s, not {}",
                      layout_name(spec.layout));
  if (spec.k >= kKLimit)
    return make_error(StatusCode::kUnsupported, "k = {}: sums may overflow from {} on", spec.k,
                      kKLimit);
  const int warps = kDp4aFields[0].of(plan);
  if (warps < 1 || warps > 32)
    return make_error(StatusCode::kUnsupported, "warps = {}, expected 1 to 32", warps);
  return {};
}

// numbers: tiles of a block, tokens of a block, tokens of a call (0: as Args says), threads.
GpuLaunch launch_dp4a(const void* args, const GpuCode& code) {
  const auto& call = *static_cast<const MatmulArgs*>(args);
  const int64_t tokens = code.numbers[2] > 0 ? code.numbers[2] : call.m;
  return {.blocks_x = static_cast<uint32_t>((call.tile_end - call.tile_begin) / code.numbers[0]),
          .blocks_y = static_cast<uint32_t>(ceil_div(tokens, code.numbers[1])),
          .threads = static_cast<uint32_t>(code.numbers[3])};
}

// A block takes all tokens of a call up to four, else as many as its registers hold sums of.
Program matmul_dp4a(const MatmulSpec& spec, const KernelPlan& plan, int) {
  const int64_t tiles = spec.tiles_per_unit();
  const int64_t tokens = spec.m >= 1 && spec.m <= 4 ? spec.m : kManyTokens / tiles;
  Program program{.file = "matmul_dp4a.cuh",
                  .function = "matmul_dp4a",
                  .args = "MatmulArgs",
                  .args_bytes = sizeof(MatmulArgs),
                  .calls = GpuCode::Calls::kOne,
                  .threads = kWarp * static_cast<uint32_t>(kDp4aFields[0].of(plan)),
                  .launch = launch_dp4a};
  program.numbers = {tiles, tokens, spec.m, program.threads};
  program.constants.add("k", spec.k);
  program.constants.add("m", int64_t{spec.m});
  program.constants.add("tokens", tokens);
  program.constants.add("tiles", tiles);
  program.constants.add("store", "Store",
                        is_gated(spec.epilogue)                ? "kGated"
                        : spec.epilogue == Epilogue::kResidual ? "kResidual"
                                                               : "kScale");
  program.constants.add("gate", "Gate", gate_name(spec.epilogue));
  program.constants.add("row_absmax", spec.row_absmax);
  return program;
}

KernelPlan same_plan(const MatmulSpec&, const KernelPlan& plan) {
  return plan;
}

}  // namespace
}  // namespace cuda

std::unique_ptr<Generator> make_cuda_matmul_dp4a() {
  return cuda::make_cuda_generator<MatmulSpec>({.name = "cuda_matmul_dp4a",
                                                .suffix = "cuda",
                                                .revision = 1,
                                                .program = cuda::matmul_dp4a,
                                                .accepts = cuda::check_dp4a,
                                                .fields = cuda::kDp4aFields,
                                                .effective_plan = cuda::same_plan});
}

}  // namespace bitnetc
