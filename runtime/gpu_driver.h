// NVIDIA GPUs through the driver's library, which is opened when it is asked for: nothing is linked
// with it, and no header of CUDA is needed (docs/gpu-driver.md).
#pragma once

#include <memory>
#include <optional>
#include <string>
#include <vector>

#include "runtime/gpu_device.h"
#include "runtime/status.h"

namespace bitnetc {

struct GpuDriverSettings {
  // What is opened: a path, or a name that the loader looks for.
  std::string library = "libcuda.so.1";
  // CUDA_VISIBLE_DEVICES, which the driver reads itself; here it only explains what is missing.
  std::optional<std::string> visible_devices;
};

// The GPUs that the driver shows, also those too old to be used, by their index; never empty.
// Error: kUnsupported saying in one sentence why there is none, with the remedy.
Result<std::vector<GpuProperties>> list_gpus(const GpuDriverSettings& settings);

// Why open_gpu refuses a GPU of these properties; empty: it does not.
std::string why_unusable(const GpuProperties& gpu);

// The GPU of that index. What is made of the device (memory, streams, functions, events, graphs)
// may outlive it. Error: as list_gpus(); kInvalidArgument for an index that is not there;
// kUnsupported for a GPU too old or taken; kOutOfMemory.
Result<std::unique_ptr<GpuDevice>> open_gpu(int index, const GpuDriverSettings& settings);

}  // namespace bitnetc
