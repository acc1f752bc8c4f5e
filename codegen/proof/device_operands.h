// Operands on a device: copies of those that lie on the host, which a kernel runs on, while the
// host's are what it is compared with. Where the device shares the host's memory they are the same.
#pragma once

#include <cstdint>
#include <vector>

#include "codegen/operations/call_case.h"
#include "runtime/buffer.h"
#include "runtime/device.h"

namespace bitnetc::proof {

// The operands of calls of one spec (codegen/proof/problem.h), one call at a time.
class DeviceOperands {
 public:
  explicit DeviceOperands(Device& device) : device_(device) {}

  // Copies `host`, which outlives the call, in the place of what an earlier call left: blocks of
  // the same length are used again, for fresh ones cost more than copying. Of weights only what
  // OperandBuffers::fill makes random is uploaded. Error: as Device::allocate and Device::upload.
  // No copies, and nothing to point to, where the device shares the host's memory.
  Status upload(const OperandBuffers& host);
  // Stores the addresses in the Args struct of the operation, in place of the host's.
  void point(void* args) const;
  // What a kernel may write, and its inputs, which it may not, into the host's operands.
  Status download(OperandBuffers& host) const;

 private:
  struct Copy {
    size_t args_offset = 0;
    DeviceMemory memory;
    DeviceMemory pages;  // the addresses of its pages, where that is what a kernel gets
  };
  Status upload(const OperandBuffers& host, size_t index, Copy& copy);

  Device& device_;
  std::vector<Copy> copies_;  // one of each operand
};

// An array with a copy on a device. The host's is zero-filled memory for a whole matrix of which a
// proof touches little: pages that are never written are never there.
template <typename T>
class DeviceArray {
 public:
  static Result<DeviceArray> create(Device& device, int64_t count) {
    BITNETC_ASSIGN_OR_RETURN(DeviceMemory memory,
                             device.allocate(static_cast<size_t>(count) * sizeof(T)));
    return DeviceArray(device, std::move(memory), count);
  }

  T* host() { return is_copied_ ? host_.data() : on_device(); }
  T* on_device() { return reinterpret_cast<T*>(memory_.address); }
  T& operator[](int64_t i) { return host()[i]; }

  // Elements [first, first + count).
  Status upload(int64_t first, int64_t count) {
    if (!is_copied_) return {};
    return device_->upload(address_of(first), host() + first, bytes_of(count));
  }
  Status download(int64_t first, int64_t count) {
    if (!is_copied_) return {};
    return device_->download(host() + first, address_of(first), bytes_of(count));
  }

 private:
  DeviceArray(Device& device, DeviceMemory memory, int64_t count)
      : device_(&device),
        is_copied_(!device.shares_host_memory()),
        memory_(std::move(memory)),
        host_(static_cast<size_t>(is_copied_ ? count : 0)) {}
  static size_t bytes_of(int64_t count) { return static_cast<size_t>(count) * sizeof(T); }
  std::byte* address_of(int64_t first) { return memory_.address + bytes_of(first); }

  Device* device_;
  bool is_copied_;
  DeviceMemory memory_;
  Buffer<T> host_;
};

}  // namespace bitnetc::proof
