#include "runtime/gpu/driver/driver_api.h"

#include <dlfcn.h>
#include <fmt/format.h>

#include <cctype>
#include <filesystem>
#include <map>
#include <mutex>
#include <string_view>
#include <system_error>
#include <utility>

namespace bitnetc::driver {
namespace {

constexpr int kLeastCudaVersion = 12000;
constexpr std::string_view kInstall =
    "install the NVIDIA driver, 525 or newer (in a container: start it with GPUs, as docker does "
    "with --gpus all)";

// What dlopen() or dlsym() has to say.
std::string loader_message() {
  const char* const text = ::dlerror();
  return text ? text : "the loader does not say why";
}

template <typename Signature>
bool find(void* handle, const char* symbol, Signature*& function) {
  function = reinterpret_cast<Signature*>(::dlsym(handle, symbol));
  return function != nullptr;
}

// The first function that the library lacks; null: none.
const char* find_all(void* handle, Api& api) {
#define BITNETC_DRIVER_FIND(member, symbol, ...) \
  if (!find(handle, symbol, api.member)) return symbol;
  BITNETC_DRIVER_FUNCTIONS(BITNETC_DRIVER_FIND)
#undef BITNETC_DRIVER_FIND
  return nullptr;
}

// The file that holds the function, behind all links.
std::string file_of(const void* function, const std::string& library) {
  Dl_info info = {};
  if (::dladdr(function, &info) == 0 || info.dli_fname == nullptr) return library;
  std::error_code error;
  const auto file = std::filesystem::canonical(info.dli_fname, error);
  return error ? info.dli_fname : file.string();
}

// A driver's library is named after its version: libcuda.so.580.159.03.
std::string driver_version(const std::string& file, int cuda_version) {
  const std::string name = std::filesystem::path(file).filename().string();
  constexpr std::string_view kStem = "libcuda.so.";
  const std::string version = name.starts_with(kStem) ? name.substr(kStem.size()) : "";
  const bool is_version = version.size() >= 3 &&
                          std::isdigit(static_cast<unsigned char>(version[0])) &&
                          version.find('.') >= 3 && version.find('.') != version.npos;
  return is_version ? version : cuda_name(cuda_version);
}

Result<std::shared_ptr<const Api>> open_api(const std::string& library) {
  void* const handle = ::dlopen(library.c_str(), RTLD_NOW | RTLD_LOCAL);
  if (handle == nullptr)
    return make_error(StatusCode::kUnsupported, "no NVIDIA driver ({}): {}", loader_message(),
                      kInstall);
  const auto api = std::make_shared<Api>();
  // The version first: what an old driver lacks is no news.
  if (!find(handle, "cuDriverGetVersion", api->driver_version)) {
    ::dlclose(handle);
    return make_error(StatusCode::kUnsupported,
                      "{} is not the library of an NVIDIA driver: it has no cuDriverGetVersion; {}",
                      library, kInstall);
  }
  if (api->driver_version(&api->cuda_version) != kSuccess) api->cuda_version = 0;
  api->file = file_of(reinterpret_cast<const void*>(api->driver_version), library);
  api->version = driver_version(api->file, api->cuda_version);
  if (api->cuda_version < kLeastCudaVersion)
    return make_error(StatusCode::kUnsupported,
                      "the NVIDIA driver ({}) is too old: it does {}, {} is needed; update it to "
                      "525 or newer",
                      api->file, cuda_name(api->cuda_version), cuda_name(kLeastCudaVersion));
  if (const char* const missing = find_all(handle, *api))
    return make_error(StatusCode::kUnsupported,
                      "the NVIDIA driver ({}, {}) has no {}; install a driver of NVIDIA, 525 or "
                      "newer",
                      api->file, cuda_name(api->cuda_version), missing);
  return std::shared_ptr<const Api>(api);
}

}  // namespace

std::string cuda_name(int version) {
  return fmt::format("CUDA {}.{}", version / 1000, version % 1000 / 10);
}

Result<std::shared_ptr<const Api>> load_api(const std::string& library) {
  static std::mutex mutex;
  static std::map<std::string, std::shared_ptr<const Api>> opened;
  const std::lock_guard lock(mutex);
  if (const auto at = opened.find(library); at != opened.end()) return at->second;
  BITNETC_ASSIGN_OR_RETURN(std::shared_ptr<const Api> api, open_api(library));
  opened.emplace(library, api);
  return api;
}

}  // namespace bitnetc::driver
