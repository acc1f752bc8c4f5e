#include "runtime/gpu_device.h"

namespace bitnetc {

Kernel GpuCode::kernel(std::string name, std::shared_ptr<const GpuCode> code) {
  const GpuCode* const context = code.get();
  return Kernel(std::move(name), nullptr, context, std::move(code));
}

const GpuCode* gpu_code(const Kernel& kernel) {
  return kernel.is_host() ? nullptr : static_cast<const GpuCode*>(kernel.context());
}

Result<std::shared_ptr<const GpuFunction>> GpuDevice::function(const Kernel& kernel) {
  const GpuCode* const code = gpu_code(kernel);
  if (code == nullptr)
    return make_error(StatusCode::kUnsupported, "{} is not code of a GPU", kernel.name());
  const std::lock_guard lock(mutex_);
  if (const auto at = loaded_.find(code); at != loaded_.end()) return at->second.function;
  BITNETC_ASSIGN_OR_RETURN(std::shared_ptr<const GpuFunction> function, load(*code, kernel.name()));
  loaded_.emplace(code, Loaded{kernel, function});
  return function;
}

Status GpuDevice::copy(std::byte* to, const std::byte* from, size_t bytes) {
  BITNETC_ASSIGN_OR_RETURN(const auto stream, create_stream());
  BITNETC_RETURN_IF_ERROR(stream->copy(to, from, bytes));
  return stream->wait();
}

Status GpuDevice::run(const Kernel& kernel, const void* args, size_t args_bytes) {
  BITNETC_ASSIGN_OR_RETURN(const auto function, this->function(kernel));
  const GpuCode& code = *gpu_code(kernel);
  BITNETC_CHECK(args_bytes == code.args_bytes, "{}: {} bytes of Args, expected {}", kernel.name(),
                args_bytes, code.args_bytes);
  BITNETC_ASSIGN_OR_RETURN(const auto stream, create_stream());
  const GpuLaunch launch = code.launch(args, code);
  if (code.calls == GpuCode::Calls::kOne) {
    BITNETC_RETURN_IF_ERROR(stream->launch(*function, launch, args, args_bytes));
    return stream->wait();
  }
  BITNETC_ASSIGN_OR_RETURN(const DeviceMemory calls, allocate(args_bytes));
  BITNETC_RETURN_IF_ERROR(stream->upload(calls.address, args, args_bytes));
  BITNETC_RETURN_IF_ERROR(stream->launch(*function, launch, &calls.address, sizeof calls.address));
  return stream->wait();
}

}  // namespace bitnetc
