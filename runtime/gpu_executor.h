// Runs batches of rows on a GPU, or on the emulator of one: the same steps as a CPU's executor, but
// what they would call is taken down and launched (runtime/gpu/launch_list.h). The bits are those
// of the CPU.
#pragma once

#include <memory>

#include "runtime/executor.h"

namespace bitnetc {

struct GpuExecutorOptions {
  int64_t page_limit = 0;  // most KV pages in use at once, 0: as many as the GPU's memory holds
};

// Not thread-safe: one thread uses it at a time. A pass that has begun on the GPU is not cancelled
// in its middle.
class GpuExecutor final : public Executor {
 public:
  // `executable` is linked for a GPU (LinkOptions::gpu). Error: kOutOfMemory, kUnsupported.
  static Result<std::unique_ptr<GpuExecutor>> create(std::shared_ptr<const Executable> executable,
                                                     const GpuExecutorOptions& options);
  ~GpuExecutor() override;

  const Executable& executable() const override;
  std::shared_ptr<KvPool> pool() const override;
  // Error: also kUnsupported where the GPU is lost: then it is of no more use.
  Status run(std::span<const BatchRow> rows, const CancelToken* cancel = nullptr) override;
  Scores scores(size_t row) const override;
  Status complete() override;  // nothing to do: all logits of scored rows are always computed
  int64_t memory_bytes() const override;  // of the GPU

 private:
  struct Impl;
  explicit GpuExecutor(std::unique_ptr<Impl> impl);
  std::unique_ptr<Impl> impl_;
};

}  // namespace bitnetc
