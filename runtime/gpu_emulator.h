// A GPU that the CPU plays: it runs the PTX that NVRTC made of a kernel, thread by thread, and is
// strict where a GPU is not. It finds accesses outside of allocations and misaligned ones, races in
// shared memory, barriers and shuffles in diverged code, deadlocks, results read before they are
// there, and every float instruction that is not exactly rounded (docs/gpu-emulator.md). Slow: for
// tests, and for machines without a GPU.
#pragma once

#include <cstdint>
#include <map>
#include <memory>
#include <string>

#include "runtime/gpu_device.h"

namespace bitnetc {

struct EmulatorSettings {
  int sm = 90;                       // the compute capability it has
  uint64_t seed = 0;                 // of the orders in which blocks and warps take turns
  bool counts_instructions = false;  // by name, in LaunchMetrics::by_name
  size_t memory_bytes = size_t{8} << 30;
  // A launch that takes more instructions of warps is an endless loop.
  int64_t most_instructions = int64_t{4} << 30;
};

// What a launch did.
struct LaunchMetrics {
  int64_t warp_instructions = 0, lane_instructions = 0;
  // Of global memory: requests of warps, bytes that lanes asked for, sectors of 32 bytes touched.
  int64_t global_requests = 0, global_bytes = 0, global_sectors = 0;
  // Of shared memory: requests of warps, and passes over its 32 banks: taken, and the fewest that
  // could have brought the same words.
  int64_t shared_requests = 0, shared_passes = 0, shared_least_passes = 0;
  std::map<std::string, int64_t> by_name;  // instructions of warps: "dp4a.u32.s32"

  // Sectors taken over the fewest that hold the bytes; of passes the same. 1 where there were none.
  double sectors_per_ideal() const;
  double passes_per_ideal() const;
};

class EmulatedGpu : public GpuDevice {
 public:
  // Sums over the launches that were done since the last call.
  virtual LaunchMetrics take_metrics() = 0;
};

// Error: kInvalidArgument for a compute capability that it cannot play.
Result<std::unique_ptr<EmulatedGpu>> make_emulated_gpu(const EmulatorSettings& settings = {});

}  // namespace bitnetc
