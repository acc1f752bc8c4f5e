// The launches of a pass on a GPU, taken down from the steps that a CPU would run.
#pragma once

#include <cstddef>
#include <memory>
#include <span>
#include <vector>

#include "runtime/exec/pass.h"
#include "runtime/gpu_device.h"

namespace bitnetc {

class LaunchList final : public CallRecorder {
 public:
  // `gpu` outlives this.
  explicit LaunchList(GpuDevice& gpu) : gpu_(&gpu) {}

  // Forgets the pass before.
  void restart();
  // The calls of a step do not depend on each other: those of one kernel become one launch, if it
  // takes several (GpuCode::Calls).
  void begin_step() { step_begins_ = true; }
  void call(const Kernel& kernel, const void* args, size_t args_bytes) override;
  void clear(void* at, size_t bytes) override;

  // What kept a kernel from being loaded, the first of them.
  const Status& status() const { return status_; }
  // The Args of launches of several calls: to be uploaded before the launches are done.
  std::span<const std::byte> args() const { return args_; }
  // `args_at`: where args() lies on the device. Error: as GpuStream::launch.
  Status issue(GpuStream& stream, std::byte* args_at) const;
  // Whether the two would issue the same, but for what is in args().
  bool issues_as(const LaunchList& other) const;

 private:
  struct Item {
    std::shared_ptr<const GpuFunction> function;  // null: bytes at `address` become zeros
    GpuLaunch launch;
    bool takes_many = false;
    size_t offset = 0;  // of its Args, in args_ where it takes many, else in values_
    size_t bytes = 0;   // of an Args struct, or those that become zeros
    std::byte* address = nullptr;

    bool operator==(const Item&) const = default;
  };

  GpuDevice* gpu_;
  std::vector<Item> items_;
  std::vector<std::byte> args_, values_;
  const GpuCode* last_code_ = nullptr;  // of the last item, where further calls may join it
  bool step_begins_ = true;
  Status status_;
};

}  // namespace bitnetc
