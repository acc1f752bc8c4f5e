// Where kernels run and their operands lie. A device has memory of its own: the host uploads what
// it wants there and downloads what it wants to see. An address of the device is for its kernels,
// unless the device shares its memory with the host. The CPU is a device, and so are GPUs
// (runtime/gpu_device.h). Start-up proofs go through a device; an executor for CPUs calls kernels
// itself (runtime/executor.h).
#pragma once

#include <cstddef>
#include <memory>

#include "runtime/kernel.h"
#include "runtime/status.h"
#include "runtime/target.h"

namespace bitnetc {

// A block of a device's memory; goes back with its last owner.
struct DeviceMemory {
  std::byte* address = nullptr;  // as the device knows it
  size_t bytes = 0;
  std::shared_ptr<const void> owner;
};

// Any thread may call.
class Device {
 public:
  virtual ~Device() = default;

  virtual Target target() const = 0;  // what kernels for it can be made for, before any cap
  // Whether its addresses are the host's, both ways, so that nothing need be copied.
  virtual bool shares_host_memory() const = 0;
  // Zero-filled, aligned to 64 bytes. Large blocks cost memory only where they are written.
  // Error: kOutOfMemory.
  virtual Result<DeviceMemory> allocate(size_t bytes) = 0;
  // Copy `bytes` between the host and a part of a block. These return when it is done.
  virtual Status upload(std::byte* to, const void* from, size_t bytes) = 0;
  virtual Status download(void* to, const std::byte* from, size_t bytes) = 0;
  // The same between two parts of blocks that do not overlap.
  virtual Status copy(std::byte* to, const std::byte* from, size_t bytes) = 0;
  // Runs a kernel and returns when it has ended. `args` is its operation's struct, on the host, of
  // `args_bytes`; the pointers in it are the device's.
  // Error: kUnsupported where the kernel is code of another device or raised a fault.
  virtual Status run(const Kernel& kernel, const void* args, size_t args_bytes) = 0;
};

// The CPU of this process.
Device& cpu_device();

}  // namespace bitnetc
