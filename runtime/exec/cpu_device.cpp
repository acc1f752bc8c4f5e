#include <cstring>

#include "runtime/buffer.h"
#include "runtime/cpu_features.h"
#include "runtime/device.h"
#include "runtime/fault_guard.h"

namespace bitnetc {
namespace {

class CpuDevice final : public Device {
 public:
  Target target() const override { return host_target(); }
  bool shares_host_memory() const override { return true; }

  Result<DeviceMemory> allocate(size_t bytes) override {
    try {
      auto block = std::make_shared<Buffer<std::byte>>(bytes);
      std::byte* const address = block->data();
      return DeviceMemory{.address = address, .bytes = bytes, .owner = std::move(block)};
    } catch (const std::bad_alloc&) {
      return make_error(StatusCode::kOutOfMemory, "no memory for {} bytes", bytes);
    }
  }

  Status upload(std::byte* to, const void* from, size_t bytes) override {
    if (bytes > 0) std::memcpy(to, from, bytes);
    return {};
  }
  Status download(void* to, const std::byte* from, size_t bytes) override {
    if (bytes > 0) std::memcpy(to, from, bytes);
    return {};
  }

  Status copy(std::byte* to, const std::byte* from, size_t bytes) override {
    return upload(to, from, bytes);
  }

  // In this thread, with faults caught.
  Status run(const Kernel& kernel, const void* args, size_t) override {
    if (!kernel.is_host())
      return make_error(StatusCode::kUnsupported, "{} is not code of a CPU", kernel.name());
    struct Call {
      const Kernel& kernel;
      const void* args;
    } call{kernel, args};
    const int signal_number = run_guarded(
        [](void* state) {
          const Call& c = *static_cast<Call*>(state);
          c.kernel.entry()(c.args, c.kernel.context());
        },
        &call);
    if (signal_number == 0) return {};
    return make_error(StatusCode::kUnsupported, "raised {}", strsignal(signal_number));
  }
};

}  // namespace

Device& cpu_device() {
  static CpuDevice device;
  return device;
}

}  // namespace bitnetc
