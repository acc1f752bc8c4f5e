#include <fmt/format.h>

#include <array>
#include <utility>

#include "runtime/gpu/driver/driver_api.h"
#include "runtime/gpu/driver/driver_device.h"
#include "runtime/gpu/driver/gpu_context.h"
#include "runtime/gpu_driver.h"

namespace bitnetc {
namespace {

using driver::Api;

constexpr int kLeastSm = 75;

// What to do about a driver that does not start.
std::string remedy_of(driver::Code code) {
  switch (code) {
    case driver::kErrorStubLibrary:
      return "this is the toolkit's stub, not a driver: remove its folder from the loader's path";
    case driver::kErrorSystemNotReady:
      return "start the fabric manager (nvidia-fabricmanager), or wait until it has started";
    case driver::kErrorSystemDriverMismatch:
      return "the library and the kernel's module are of different versions: restart the machine";
    case driver::kErrorCompatNotSupported:
      return "the library is of a CUDA compatibility package that this GPU does not take: use the "
             "driver's own";
    default: return "see whether nvidia-smi works; restart the machine if it does not";
  }
}

Status no_gpu(const Api& api, const GpuDriverSettings& settings) {
  if (settings.visible_devices)
    return make_error(StatusCode::kUnsupported,
                      "the NVIDIA driver {} shows no GPU: CUDA_VISIBLE_DEVICES=\"{}\" forbids them "
                      "or names none that is here; unset it",
                      api.version, *settings.visible_devices);
  return make_error(StatusCode::kUnsupported,
                    "the NVIDIA driver {} shows no GPU: see whether nvidia-smi lists one, and give "
                    "it to the container or the virtual machine",
                    api.version);
}

// The driver, started, with the number of its GPUs, which is not 0.
Result<std::pair<std::shared_ptr<const Api>, int>> start_driver(const GpuDriverSettings& settings) {
  BITNETC_ASSIGN_OR_RETURN(std::shared_ptr<const Api> api, driver::load_api(settings.library));
  int count = 0;
  driver::Code code = api->init(0);
  if (code == driver::kSuccess) code = api->device_count(&count);
  if (code == driver::kErrorNoDevice || (code == driver::kSuccess && count == 0))
    return no_gpu(*api, settings);
  if (code != driver::kSuccess)
    return make_error(StatusCode::kUnsupported, "the NVIDIA driver {} does not start: {}; {}",
                      api->version, driver::error_text(*api, code), remedy_of(code));
  return std::pair(std::move(api), count);
}

Result<GpuProperties> properties_of(const Api& api, int index) {
  GpuProperties gpu{.driver = api.version};
  std::array<char, 256> name = {};
  driver::DeviceId device = 0;
  int major = 0, minor = 0;
  const std::pair<driver::DeviceAttribute, int*> attributes[] = {
      {driver::kComputeCapabilityMajor, &major},
      {driver::kComputeCapabilityMinor, &minor},
      {driver::kMultiprocessorCount, &gpu.multiprocessors},
      {driver::kClockRate, &gpu.clock_khz},
      {driver::kMemoryClockRate, &gpu.memory_clock_khz},
      {driver::kMemoryBusWidth, &gpu.memory_bus_bits},
      {driver::kSharedPerBlockOptIn, &gpu.shared_bytes_per_block},
      {driver::kSharedPerMultiprocessor, &gpu.shared_bytes_per_multiprocessor},
      {driver::kRegistersPerMultiprocessor, &gpu.registers_per_multiprocessor},
      {driver::kThreadsPerMultiprocessor, &gpu.threads_per_multiprocessor}};
  int l2_bytes = 0;
  driver::Code code = api.device_get(&device, index);
  if (code == driver::kSuccess)
    code = api.device_name(name.data(), static_cast<int>(name.size()) - 1, device);
  if (code == driver::kSuccess) code = api.device_memory(&gpu.memory_bytes, device);
  if (code == driver::kSuccess)
    code = api.device_attribute(&l2_bytes, driver::kL2CacheSize, device);
  for (const auto& [attribute, value] : attributes)
    if (code == driver::kSuccess) code = api.device_attribute(value, attribute, device);
  if (code != driver::kSuccess)
    return make_error(StatusCode::kUnsupported, "the NVIDIA driver {} does not describe GPU {}: {}",
                      api.version, index, driver::error_text(api, code));
  gpu.name = name.data();
  gpu.l2_bytes = static_cast<size_t>(l2_bytes);
  gpu.sm = 10 * major + minor;
  return gpu;
}

}  // namespace

Result<std::vector<GpuProperties>> list_gpus(const GpuDriverSettings& settings) {
  BITNETC_ASSIGN_OR_RETURN(const auto started, start_driver(settings));
  std::vector<GpuProperties> gpus;
  for (int index = 0; index < started.second; ++index) {
    BITNETC_ASSIGN_OR_RETURN(GpuProperties gpu, properties_of(*started.first, index));
    gpus.push_back(std::move(gpu));
  }
  return gpus;
}

std::string why_unusable(const GpuProperties& gpu) {
  if (gpu.sm >= kLeastSm) return "";
  return fmt::format(
      "{} has compute capability {}.{}, kernels need {}.{} (Turing or newer): use another GPU or "
      "the CPU",
      gpu.name, gpu.sm / 10, gpu.sm % 10, kLeastSm / 10, kLeastSm % 10);
}

Result<std::unique_ptr<GpuDevice>> open_gpu(int index, const GpuDriverSettings& settings) {
  BITNETC_ASSIGN_OR_RETURN(const auto started, start_driver(settings));
  const auto& [api, count] = started;
  if (index < 0 || index >= count)
    return make_error(StatusCode::kInvalidArgument,
                      "GPU {}: expected 0 to {}, the driver shows {} GPU{}{}", index, count - 1,
                      count, count == 1 ? "" : "s",
                      settings.visible_devices
                          ? fmt::format(" (CUDA_VISIBLE_DEVICES=\"{}\")", *settings.visible_devices)
                          : "");
  BITNETC_ASSIGN_OR_RETURN(GpuProperties gpu, properties_of(*api, index));
  if (const std::string why = why_unusable(gpu); !why.empty())
    return Status(StatusCode::kUnsupported, why);
  driver::DeviceId device = 0;
  if (const driver::Code code = api->device_get(&device, index); code != driver::kSuccess)
    return make_error(StatusCode::kUnsupported, "GPU {} is not to be had: {}", index,
                      driver::error_text(*api, code));
  BITNETC_ASSIGN_OR_RETURN(auto context, driver::GpuContext::open(api, device, std::move(gpu)));
  return driver::DriverDevice::create(std::move(context));
}

}  // namespace bitnetc
