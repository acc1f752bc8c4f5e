#include "runtime/gpu/driver/driver_device.h"

#include <algorithm>
#include <cstring>
#include <utility>

namespace bitnetc::driver {
namespace {

struct OwnedMemory {
  ~OwnedMemory() {
    context->discard([&](const Api& api) { return api.free(address); });
  }
  std::shared_ptr<GpuContext> context;
  Address address;
};

struct OwnedHostMemory {
  ~OwnedHostMemory() {
    context->discard([&](const Api& api) { return api.free_host(address); });
  }
  std::shared_ptr<GpuContext> context;
  void* address;
};

}  // namespace

Result<std::unique_ptr<GpuDevice>> DriverDevice::create(std::shared_ptr<GpuContext> context) {
  BITNETC_ASSIGN_OR_RETURN(auto transfers, DriverStream::create(context));
  return std::unique_ptr<GpuDevice>(new DriverDevice(std::move(context), std::move(transfers)));
}

Result<DeviceMemory> DriverDevice::allocate(size_t bytes) {
  Address address = 0;
  const Status status = context_->call("allocating", [&](const Api& api) {
    return api.allocate(&address, std::max<size_t>(bytes, 1));
  });
  if (status.code() == StatusCode::kOutOfMemory) return context_->out_of_memory(bytes);
  BITNETC_RETURN_IF_ERROR(status);
  DeviceMemory memory{.address = reinterpret_cast<std::byte*>(address),
                      .bytes = bytes,
                      .owner = std::shared_ptr<OwnedMemory>(new OwnedMemory{context_, address})};
  const std::lock_guard lock(mutex_);
  BITNETC_RETURN_IF_ERROR(transfers_->clear(memory.address, bytes));
  BITNETC_RETURN_IF_ERROR(transfers_->wait());
  return memory;
}

Result<DeviceMemory> DriverDevice::allocate_host(size_t bytes) {
  void* address = nullptr;
  const size_t some = std::max<size_t>(bytes, 1);
  const Status status = context_->call("allocating memory of the host", [&](const Api& api) {
    return api.allocate_host(&address, some, kHostAllocPortable);
  });
  if (status.code() == StatusCode::kOutOfMemory)
    return make_error(StatusCode::kOutOfMemory,
                      "the system has no room for {} bytes of page-locked memory", bytes);
  BITNETC_RETURN_IF_ERROR(status);
  std::memset(address, 0, some);
  return DeviceMemory{
      .address = static_cast<std::byte*>(address),
      .bytes = bytes,
      .owner = std::shared_ptr<OwnedHostMemory>(new OwnedHostMemory{context_, address})};
}

Status DriverDevice::upload(std::byte* to, const void* from, size_t bytes) {
  const std::lock_guard lock(mutex_);
  BITNETC_RETURN_IF_ERROR(transfers_->upload(to, from, bytes));
  return transfers_->wait();
}

Status DriverDevice::download(void* to, const std::byte* from, size_t bytes) {
  const std::lock_guard lock(mutex_);
  BITNETC_RETURN_IF_ERROR(transfers_->download(to, from, bytes));
  return transfers_->wait();
}

Result<std::unique_ptr<GpuStream>> DriverDevice::create_stream() {
  BITNETC_ASSIGN_OR_RETURN(auto stream, DriverStream::create(context_));
  return std::unique_ptr<GpuStream>(std::move(stream));
}

Result<std::shared_ptr<const GpuFunction>> DriverDevice::load(const GpuCode& code,
                                                              const std::string& name) {
  return DriverFunction::load(context_, code, name);
}

}  // namespace bitnetc::driver
