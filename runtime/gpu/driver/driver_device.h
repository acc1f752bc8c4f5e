// A GPU behind the driver.
#pragma once

#include <memory>
#include <mutex>
#include <string>

#include "runtime/gpu/driver/driver_stream.h"
#include "runtime/gpu/driver/gpu_context.h"
#include "runtime/gpu_device.h"

namespace bitnetc::driver {

class DriverDevice : public GpuDevice {
 public:
  static Result<std::unique_ptr<GpuDevice>> create(std::shared_ptr<GpuContext> context);

  const GpuProperties& properties() const override { return context_->properties(); }
  bool is_lost() const override { return context_->is_lost(); }
  Result<DeviceMemory> allocate(size_t bytes) override;
  Result<DeviceMemory> allocate_host(size_t bytes) override;
  Status upload(std::byte* to, const void* from, size_t bytes) override;
  Status download(void* to, const std::byte* from, size_t bytes) override;
  Result<std::unique_ptr<GpuStream>> create_stream() override;

 protected:
  Result<std::shared_ptr<const GpuFunction>> load(const GpuCode& code,
                                                  const std::string& name) override;

 private:
  DriverDevice(std::shared_ptr<GpuContext> context, std::unique_ptr<DriverStream> transfers)
      : context_(std::move(context)), transfers_(std::move(transfers)) {}

  const std::shared_ptr<GpuContext> context_;
  std::mutex mutex_;  // guards transfers_
  const std::unique_ptr<DriverStream> transfers_;
};

}  // namespace bitnetc::driver
