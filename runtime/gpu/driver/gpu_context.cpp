#include "runtime/gpu/driver/gpu_context.h"

#include <fmt/format.h>

#include <algorithm>
#include <iterator>
#include <utility>

namespace bitnetc::driver {

std::string error_text(const Api& api, Code code) {
  const char* name = nullptr;
  const char* text = nullptr;
  if (api.error_name(code, &name) != kSuccess || name == nullptr)
    return fmt::format("error {} of the driver", code);
  if (api.error_text(code, &text) != kSuccess || text == nullptr)
    return fmt::format("{}, {}", name, code);
  return fmt::format("{} ({}, {})", text, name, code);
}

bool is_sticky(Code code) {
  constexpr Code kSticky[] = {kErrorDeinitialized,
                              kErrorDeviceUnavailable,
                              kErrorEccUncorrectable,
                              kErrorNvlinkUncorrectable,
                              kErrorIllegalAddress,
                              kErrorLaunchTimeout,
                              kErrorContextIsDestroyed,
                              kErrorAssert,
                              kErrorHardwareStack,
                              kErrorIllegalInstruction,
                              kErrorMisalignedAddress,
                              kErrorInvalidAddressSpace,
                              kErrorInvalidPc,
                              kErrorLaunchFailed,
                              kErrorUnknown};
  return std::find(std::begin(kSticky), std::end(kSticky), code) != std::end(kSticky);
}

Result<std::shared_ptr<GpuContext>> GpuContext::open(std::shared_ptr<const Api> api,
                                                     DeviceId device, GpuProperties properties) {
  Context context = nullptr;
  const Code code = api->retain_context(&context, device);
  if (code == kErrorOutOfMemory)
    return make_error(StatusCode::kOutOfMemory,
                      "{} has no memory left for a context: end another program that uses it",
                      properties.name);
  if (code == kErrorDeviceUnavailable)
    return make_error(StatusCode::kUnsupported,
                      "{} is not to be had: {}; another program has it for itself, or its compute "
                      "mode forbids it (nvidia-smi -q -d COMPUTE)",
                      properties.name, error_text(*api, code));
  if (code != kSuccess)
    return make_error(StatusCode::kUnsupported, "{} cannot be used: {}", properties.name,
                      error_text(*api, code));
  return std::shared_ptr<GpuContext>(
      new GpuContext(std::move(api), device, context, std::move(properties)));
}

GpuContext::~GpuContext() {
  api_->release_context(device_);
}

Status GpuContext::loss() const {
  const std::lock_guard lock(mutex_);
  return loss_;
}

Status GpuContext::failure(Code code, std::string_view what, const std::string& where) {
  const std::string text =
      fmt::format("{}{}{}: {}", what, where.empty() ? "" : " ", where, error_text(*api_, code));
  if (code == kErrorOutOfMemory)
    return make_error(StatusCode::kOutOfMemory, "{}: {}", properties_.name, text);
  if (!is_sticky(code))
    return make_error(StatusCode::kUnsupported, "{}: {}", properties_.name, text);
  const std::lock_guard lock(mutex_);
  if (loss_.ok())
    loss_ = make_error(StatusCode::kUnsupported, "{} is lost: {}", properties_.name, text);
  lost_.store(true, std::memory_order_release);
  return loss_;
}

Status GpuContext::out_of_memory(size_t bytes) {
  size_t free = 0, total = 0;
  BITNETC_RETURN_IF_ERROR(call("asking for free memory",
                               [&](const Api& api) { return api.memory_info(&free, &total); }));
  return make_error(StatusCode::kOutOfMemory,
                    "{} has no room for {} bytes: {} of its {} bytes are free", properties_.name,
                    bytes, free, total);
}

}  // namespace bitnetc::driver
