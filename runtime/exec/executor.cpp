#include "runtime/executor.h"

#include "runtime/gpu_executor.h"

namespace bitnetc {

Result<std::unique_ptr<Executor>> make_executor(std::shared_ptr<const Executable> executable,
                                                const CpuExecutorOptions& options) {
  if (executable->gpu != nullptr) {
    BITNETC_ASSIGN_OR_RETURN(
        auto gpu, GpuExecutor::create(std::move(executable), {.page_limit = options.page_limit}));
    return std::unique_ptr<Executor>(std::move(gpu));
  }
  BITNETC_ASSIGN_OR_RETURN(auto cpu, CpuExecutor::create(std::move(executable), options));
  return std::unique_ptr<Executor>(std::move(cpu));
}

}  // namespace bitnetc
