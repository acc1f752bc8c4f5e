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
constexpr PlanField kWarps = {.letter = 'w',
                              .name = "warps",
                              .meaning = "warps of a block, which share its columns",
                              .standard = 4,
                              .worth_trying = kWarpsWorthTrying};
constexpr PlanField kDp4aFields[] = {kWarps};

constexpr int kMmaTokens = 8;  // of an instruction
constexpr int kEightsWorthTrying[] = {1, 2, 4};
constexpr PlanField kEights = {.letter = 'e',
                               .name = "eights",
                               .meaning =
                                   "eights of tokens of a block, where a call may have any "
                                   "number of tokens",
                               .standard = 2,
                               .worth_trying = kEightsWorthTrying};
constexpr PlanField kMmaFields[] = {kWarps, kEights};
constexpr int kMostEights = 4;               // whose sums stay in registers
constexpr int kLeastMmaTokens = 3;           // fewer: dot products do as well
constexpr int64_t kSharedBytes = 48 * 1024;  // of a block

Status check_spec(const MatmulSpec& spec) {
  if (spec.layout != LayoutId::kI2S)
    return make_error(StatusCode::kUnsupported, "reads layout i2s, not {}",
                      layout_name(spec.layout));
  if (spec.k >= kKLimit)
    return make_error(StatusCode::kUnsupported, "k = {}: sums may overflow from {} on", spec.k,
                      kKLimit);
  return {};
}
Status check_field(const PlanField& field, const KernelPlan& plan, int most) {
  const int value = field.of(plan);
  if (value >= 1 && value <= most) return {};
  return make_error(StatusCode::kUnsupported, "{} = {}, expected 1 to {}", field.name, value, most);
}
// The sums that warps leave for each other: PartialSums of matmul.cuh.
Status check_shared(const MatmulSpec& spec, int64_t warps, int64_t tokens) {
  const int64_t bytes =
      warps * tokens * spec.tiles_per_unit() * kTileRows * int64_t{sizeof(int32_t)};
  if (bytes <= kSharedBytes) return {};
  return make_error(StatusCode::kUnsupported,
                    "warps = {} with {} tokens a block: {} bytes of shared memory, at most {}",
                    warps, tokens, bytes, kSharedBytes);
}

// A block takes all tokens of a call up to four, else as many as its registers hold sums of.
int64_t dp4a_tokens(const MatmulSpec& spec) {
  return spec.m >= 1 && spec.m <= 4 ? spec.m : kManyTokens / spec.tiles_per_unit();
}
int64_t mma_tokens(const MatmulSpec& spec, const KernelPlan& plan) {
  return kMmaTokens * (spec.m == kAnyM ? kEights.of(plan) : 1);
}

Status check_dp4a(const MatmulSpec& spec, const KernelPlan& plan, int) {
  BITNETC_RETURN_IF_ERROR(check_spec(spec));
  BITNETC_RETURN_IF_ERROR(check_field(kWarps, plan, 32));
  return check_shared(spec, kWarps.of(plan), dp4a_tokens(spec));
}
Status check_mma(const MatmulSpec& spec, const KernelPlan& plan, int) {
  BITNETC_RETURN_IF_ERROR(check_spec(spec));
  if (spec.m != kAnyM && spec.m < kLeastMmaTokens)
    return make_error(StatusCode::kUnsupported, "m = {}: takes eight tokens at a time, from {} on",
                      spec.m, kLeastMmaTokens);
  BITNETC_RETURN_IF_ERROR(check_field(kWarps, plan, 32));
  BITNETC_RETURN_IF_ERROR(check_field(kEights, plan, kMostEights));
  return check_shared(spec, kWarps.of(plan), mma_tokens(spec, plan));
}

// numbers: tiles of a block, tokens of a block, tokens of a call (0: as Args says), threads.
GpuLaunch launch_tiles(const void* args, const GpuCode& code) {
  const auto& call = *static_cast<const MatmulArgs*>(args);
  const int64_t tokens = code.numbers[2] > 0 ? code.numbers[2] : call.m;
  return {.blocks_x = static_cast<uint32_t>((call.tile_end - call.tile_begin) / code.numbers[0]),
          .blocks_y = static_cast<uint32_t>(ceil_div(tokens, code.numbers[1])),
          .threads = static_cast<uint32_t>(code.numbers[3])};
}

Program program_of(std::string_view file, std::string_view function, const MatmulSpec& spec,
                   int64_t tokens, int warps) {
  const int64_t tiles = spec.tiles_per_unit();
  Program program{.file = file,
                  .function = function,
                  .args = "MatmulArgs",
                  .args_bytes = sizeof(MatmulArgs),
                  .calls = GpuCode::Calls::kOne,
                  .threads = kWarp * static_cast<uint32_t>(warps),
                  .launch = launch_tiles};
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

Program matmul_dp4a(const MatmulSpec& spec, const KernelPlan& plan, int) {
  return program_of("matmul_dp4a.cuh", "matmul_dp4a", spec, dp4a_tokens(spec), kWarps.of(plan));
}
Program matmul_mma(const MatmulSpec& spec, const KernelPlan& plan, int) {
  Program program =
      program_of("matmul_mma.cuh", "matmul_mma", spec, mma_tokens(spec, plan), kWarps.of(plan));
  program.blocks_of_multiprocessor = 1;
  return program;
}

// The fields of a family as `plan` has them, or at their standard values.
KernelPlan own_fields(PlanFields fields, const KernelPlan& plan) {
  KernelPlan own;
  for (const PlanField& each : fields) own.append({each.letter, each.of(plan)});
  return own;
}
KernelPlan dp4a_plan(const MatmulSpec&, const KernelPlan& plan) {
  return own_fields(kDp4aFields, plan);
}
// A kernel for a few tokens takes one eight, whatever the plan says.
KernelPlan mma_plan(const MatmulSpec& spec, const KernelPlan& plan) {
  const KernelPlan own = own_fields(kMmaFields, plan);
  return spec.m == kAnyM ? own : with_value(kMmaFields, own, kEights.letter, kEights.standard);
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
                                                .effective_plan = cuda::dp4a_plan});
}
std::unique_ptr<Generator> make_cuda_matmul_mma() {
  return cuda::make_cuda_generator<MatmulSpec>({.name = "cuda_matmul_mma",
                                                .suffix = "cuda",
                                                .revision = 1,
                                                .program = cuda::matmul_mma,
                                                .accepts = cuda::check_mma,
                                                .fields = cuda::kMmaFields,
                                                .effective_plan = cuda::mma_plan});
}

}  // namespace bitnetc
