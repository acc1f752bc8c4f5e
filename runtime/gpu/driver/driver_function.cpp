#include "runtime/gpu/driver/driver_function.h"

#include <fmt/format.h>

#include <algorithm>
#include <cstdint>
#include <limits>
#include <string_view>
#include <utility>

namespace bitnetc::driver {
namespace {

constexpr size_t kMaxParameterBytes = 4096;
constexpr uint32_t kMaxBlocksX = std::numeric_limits<int32_t>::max();
constexpr uint32_t kMaxBlocksY = 65535;
// What a launch may ask for without an attribute of the function.
constexpr int kPlainSharedBytes = 48 << 10;

// "9.0" of PTX text that has ".version 9.0"; "?" where it has none.
std::string ptx_version(std::string_view ptx) {
  constexpr std::string_view kKey = ".version";
  const size_t key = ptx.find(kKey);
  if (key == ptx.npos) return "?";
  std::string_view rest = ptx.substr(key + kKey.size());
  rest.remove_prefix(std::min(rest.find_first_not_of(" \t"), rest.size()));
  return std::string(rest.substr(0, rest.find_first_of(" \t\r\n")));
}

std::string gpu_text(const GpuProperties& gpu) {
  return fmt::format("{} (sm_{})", gpu.name, gpu.sm);
}

}  // namespace

Result<std::shared_ptr<const GpuFunction>> DriverFunction::load(std::shared_ptr<GpuContext> context,
                                                                const GpuCode& code,
                                                                const std::string& name) {
  std::shared_ptr<DriverFunction> function(new DriverFunction(std::move(context), name));
  BITNETC_RETURN_IF_ERROR(function->load_module(code));
  BITNETC_RETURN_IF_ERROR(function->look_up(code.entry));
  return std::shared_ptr<const GpuFunction>(std::move(function));
}

DriverFunction::~DriverFunction() {
  if (module_) context_->discard([&](const Api& api) { return api.unload_module(module_); });
}

// Machine code where it is for this GPU; PTX where there is none or the driver does not take it.
Status DriverFunction::load_module(const GpuCode& code) {
  const GpuProperties& gpu = context_->properties();
  Status refused;
  if (!code.cubin.empty() && code.sm == gpu.sm) {
    refused = load_text(code.cubin);
    if (refused.ok() || context_->is_lost() || refused.code() == StatusCode::kOutOfMemory ||
        code.ptx.empty())
      return refused;
  }
  if (code.sm > gpu.sm)
    return make_error(StatusCode::kUnsupported, "{} is made for sm_{}, {} cannot run it", name(),
                      code.sm, gpu_text(gpu));
  if (code.ptx.empty())
    return make_error(StatusCode::kUnsupported,
                      "{} is machine code of sm_{} without PTX, {} cannot run it", name(), code.sm,
                      gpu_text(gpu));
  const Status status = load_text(code.ptx);
  if (status.ok() || refused.ok() || context_->is_lost()) return status;
  return Status(status.code(), refused.message() + "; " + status.message());
}

Status DriverFunction::load_text(const std::string& image) {
  std::string log(8192, '\0');
  int options[] = {kJitErrorLog, kJitErrorLogBytes};
  void* values[] = {log.data(), launch_marker(log.size())};
  Code code = kSuccess;
  const Status status = context_->call(
      "loading", [&] { return "kernel " + name(); },
      [&](const Api& api) {
        return code = api.load_module(&module_, image.c_str(), 2, options, values);
      });
  if (status.ok() || context_->is_lost()) return status;
  module_ = nullptr;
  const Api& api = context_->api();
  const std::string error = error_text(api, code);
  switch (code) {
    case kErrorUnsupportedPtxVersion:
      return make_error(StatusCode::kUnsupported,
                        "{} is PTX {}, which the driver {} ({}) does not know: update the driver, "
                        "or generate code with an NVRTC that is not newer than {}: {}",
                        name(), ptx_version(image), api.version, cuda_name(api.cuda_version),
                        cuda_name(api.cuda_version), error);
    case kErrorNoBinaryForGpu:
    case kErrorInvalidImage:
      return make_error(StatusCode::kUnsupported,
                        "{} is not code for {} and the driver {} ({}): update the driver, or "
                        "generate code with an NVRTC of its CUDA version: {}",
                        name(), gpu_text(context_->properties()), api.version,
                        cuda_name(api.cuda_version), error);
    case kErrorJitCompilerNotFound:
      return make_error(StatusCode::kUnsupported,
                        "{} is PTX, and the driver {} has no compiler for it "
                        "(libnvidia-ptxjitcompiler.so.1): install all of the driver, or generate "
                        "machine code: {}",
                        name(), api.version, error);
    default: break;
  }
  log.resize(log.find('\0') == log.npos ? log.size() : log.find('\0'));
  while (log.ends_with('\n')) log.pop_back();
  return log.empty() ? status : Status(status.code(), status.message() + "; it says: " + log);
}

Status DriverFunction::look_up(const std::string& entry) {
  const int shared_limit = context_->properties().shared_bytes_per_block;
  return context_->call(
      "looking up " + entry, [&] { return "of kernel " + name(); },
      [&](const Api& api) {
        const std::pair<FunctionAttribute, int*> attributes[] = {
            {kFunctionRegisters, &registers_},
            {kFunctionLocalBytes, &local_bytes_},
            {kFunctionSharedBytes, &static_shared_bytes_},
            {kFunctionMaxThreads, &max_threads_}};
        Code code = api.get_function(&function_, module_, entry.c_str());
        for (const auto& [attribute, value] : attributes)
          if (code == kSuccess) code = api.function_attribute(value, attribute, function_);
        const int dynamic = shared_limit - static_shared_bytes_;
        if (code == kSuccess && dynamic > kPlainSharedBytes)
          code = api.set_function_attribute(function_, kFunctionMaxDynamicShared, dynamic);
        return code;
      });
}

Status DriverFunction::check(const GpuLaunch& launch, size_t parameter_bytes) const {
  const auto refuse = [&](std::string_view what, uint64_t value, uint64_t least, uint64_t most) {
    return make_error(StatusCode::kInvalidArgument, "{}: {} {}, expected {} to {}", name(), value,
                      what, least, most);
  };
  if (launch.blocks_x == 0 || launch.blocks_x > kMaxBlocksX)
    return refuse("blocks on the x axis", launch.blocks_x, 1, kMaxBlocksX);
  if (launch.blocks_y == 0 || launch.blocks_y > kMaxBlocksY)
    return refuse("blocks on the y axis", launch.blocks_y, 1, kMaxBlocksY);
  if (launch.threads == 0 || launch.threads > static_cast<uint32_t>(max_threads_))
    return refuse(fmt::format("threads in a block, with {} registers each", registers_),
                  launch.threads, 1, static_cast<uint32_t>(max_threads_));
  const int shared_limit = context_->properties().shared_bytes_per_block - static_shared_bytes_;
  if (static_cast<int64_t>(launch.shared_bytes) > shared_limit)
    return refuse(
        fmt::format("bytes of dynamic shared memory beside {} static ones", static_shared_bytes_),
        launch.shared_bytes, 0, static_cast<uint64_t>(std::max(shared_limit, 0)));
  if (parameter_bytes > kMaxParameterBytes)
    return refuse("bytes of parameters", parameter_bytes, 0, kMaxParameterBytes);
  return launch.all_resident ? check_residency(launch) : Status();
}

Status DriverFunction::check_residency(const GpuLaunch& launch) const {
  int per_multiprocessor = 0;
  BITNETC_RETURN_IF_ERROR(context_->call(
      "asking for occupancy", [&] { return "of kernel " + name(); },
      [&](const Api& api) {
        return api.occupancy(&per_multiprocessor, function_, static_cast<int>(launch.threads),
                             launch.shared_bytes);
      }));
  const int multiprocessors = context_->properties().multiprocessors;
  const uint64_t most = static_cast<uint64_t>(per_multiprocessor) * multiprocessors;
  const uint64_t blocks = uint64_t{launch.blocks_x} * launch.blocks_y;
  if (blocks <= most) return {};
  return make_error(StatusCode::kInvalidArgument,
                    "{}: {} blocks are to be resident at once, {} multiprocessors hold {} each",
                    name(), blocks, multiprocessors, per_multiprocessor);
}

}  // namespace bitnetc::driver
