// The CUDA generator of the head.
#include "codegen/cuda/cuda_generator.h"
#include "codegen/cuda/cuda_generators.h"
#include "codegen/cuda/value_names.h"
#include "runtime/rounding.h"

namespace bitnetc {
namespace cuda {
namespace {

constexpr int64_t kRowThreads = 8;  // of a row of the table
constexpr int64_t kHiddenRows = 4;  // of a block

// numbers: table rows of a block, hidden rows of a block, threads.
GpuLaunch launch_head(const void* args, const GpuCode& code) {
  const auto& call = *static_cast<const HeadArgs*>(args);
  return {
      .blocks_x = static_cast<uint32_t>(ceil_div(call.row_end - call.row_begin, code.numbers[0])),
      .blocks_y = static_cast<uint32_t>(ceil_div(call.rows, code.numbers[1])),
      .threads = static_cast<uint32_t>(code.numbers[2])};
}

Program head(const HeadSpec& spec, const KernelPlan&, int) {
  Program program{.file = "head.cuh",
                  .function = "head",
                  .args = "HeadArgs",
                  .args_bytes = sizeof(HeadArgs),
                  .calls = GpuCode::Calls::kOne,
                  .threads = 128,
                  .launch = launch_head};
  program.numbers = {program.threads / kRowThreads, kHiddenRows, program.threads};
  program.constants.add("n", spec.n);
  program.constants.add("k", spec.k);
  program.constants.add("type", "Float", float_name(spec.type));
  program.constants.add("rows", kHiddenRows);
  return program;
}

}  // namespace
}  // namespace cuda

std::unique_ptr<Generator> make_cuda_head() {
  return cuda::make_cuda_generator<HeadSpec>(
      {.name = "cuda_head", .suffix = "cuda", .revision = 1, .program = cuda::head});
}

}  // namespace bitnetc
