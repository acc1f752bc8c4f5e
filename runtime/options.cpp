#include "runtime/options.h"

#include <charconv>
#include <cstdlib>
#include <filesystem>
#include <string_view>
#include <system_error>

#include "runtime/columns.h"

namespace bitnetc {
namespace {

// Empty counts as unset.
std::string environment(const char* name) {
  const char* value = std::getenv(name);
  return value ? value : "";
}

Status malformed(std::string_view name, std::string_view value, std::string_view expected) {
  return make_error(StatusCode::kInvalidArgument, "{}={}: expected {}", name, value, expected);
}

// Reads a variable that is one of two words; `flag` keeps its default when the variable is unset.
Status read_switch(const char* name, std::string_view off, std::string_view on, bool& flag) {
  const std::string value = environment(name);
  if (value.empty()) return {};
  if (value != off && value != on) return malformed(name, value, fmt::format("{} or {}", on, off));
  flag = value == on;
  return {};
}

Status read_isa(Options& options) {
  const std::string value = environment("BITNETC_ISA");
  if (value.empty()) return {};
  options.isa_cap = parse_isa(value);
  if (options.isa_cap) return {};
  return malformed("BITNETC_ISA", value, "scalar, avx2, avxvnni, avx512vnni or amx");
}

Status read_perf(Options& options) {
  const std::string value = environment("BITNETC_PERF");
  if (!value.empty() && value != "map") return malformed("BITNETC_PERF", value, "map");
  options.perf_map = !value.empty();
  return {};
}

Status read_threads(Options& options) {
  constexpr int kMaxThreads = 1024;
  const std::string value = environment("BITNETC_THREADS");
  if (value.empty()) return {};
  const char* end = value.data() + value.size();
  const auto [stop, error] = std::from_chars(value.data(), end, options.threads);
  if (error == std::errc() && stop == end && options.threads >= 1 && options.threads <= kMaxThreads)
    return {};
  return malformed("BITNETC_THREADS", value,
                   fmt::format("a whole number from 1 to {}", kMaxThreads));
}

// Empty where /proc is not mounted.
std::string find_program_dir() {
  std::error_code error;
  return std::filesystem::read_symlink("/proc/self/exe", error).parent_path().string();
}

// The XDG base directory rules: a relative path in the variable is to be ignored.
std::string base_directory(const char* variable, const char* below_home) {
  const std::string xdg = environment(variable);
  if (xdg.starts_with('/')) return xdg + "/bitnetc";
  const std::string home = environment("HOME");
  return home.empty() ? "" : home + below_home + "/bitnetc";
}

}  // namespace

std::string default_cache_dir() {
  return base_directory("XDG_CACHE_HOME", "/.cache");
}

Result<Options> read_options() {
  Options options;
  BITNETC_RETURN_IF_ERROR(read_isa(options));
  options.dump_dir = environment("BITNETC_DUMP");
  BITNETC_RETURN_IF_ERROR(read_switch("BITNETC_EXPLAIN", "0", "1", options.explain));
  BITNETC_RETURN_IF_ERROR(read_perf(options));
  BITNETC_RETURN_IF_ERROR(read_switch("BITNETC_JIT", "off", "on", options.jit));
  BITNETC_RETURN_IF_ERROR(read_switch("BITNETC_POISON", "0", "1", options.poison));
  BITNETC_RETURN_IF_ERROR(read_threads(options));
  options.cuda_library = environment("BITNETC_LIBCUDA");
  // Empty is a value: it hides all GPUs.
  if (const char* devices = std::getenv("CUDA_VISIBLE_DEVICES"))
    options.cuda_visible_devices = devices;
  options.cache_dir = default_cache_dir();
  options.state_dir = base_directory("XDG_STATE_HOME", "/.local/state");
  options.home_dir = environment("HOME");
  options.program_dir = find_program_dir();
  options.cuda_folder = environment("CUDA_HOME");
  if (options.cuda_folder.empty()) options.cuda_folder = environment("CUDA_PATH");
  options.hub_endpoint = environment("HF_ENDPOINT");
  while (options.hub_endpoint.ends_with('/')) options.hub_endpoint.pop_back();
  options.hub_token = environment("HF_TOKEN");
  options.notify_socket = environment("NOTIFY_SOCKET");
  return options;
}

int columns_of_environment() {
  const std::string value = environment("COLUMNS");
  int columns = 0;
  std::from_chars(value.data(), value.data() + value.size(), columns);
  return columns;
}

std::vector<OptionValue> describe_options(const Options& options) {
  const std::string visible = options.cuda_visible_devices.value_or("(unset)");
  const auto or_unset = [](const std::string& text) { return text.empty() ? "(unset)" : text; };
  return {
      {"BITNETC_ISA", options.isa_cap ? std::string(isa_name(*options.isa_cap)) : "(unset)",
       "highest tier to use: scalar, avx2, avxvnni, avx512vnni or amx"},
      {"BITNETC_DUMP", or_unset(options.dump_dir),
       "folder that receives spec, plan and code of every generated kernel"},
      {"BITNETC_EXPLAIN", options.explain ? "1" : "0",
       "1 prints every kernel selection: who declined and why"},
      {"BITNETC_PERF", options.perf_map ? "map" : "(unset)",
       "map writes /tmp/perf-<pid>.map, so that perf names generated code"},
      {"BITNETC_JIT", options.jit ? "on" : "off",
       "off takes no executable memory: only kernels compiled ahead of time run"},
      {"BITNETC_POISON", options.poison ? "1" : "0",
       "1 fills unused vector registers in kernel prologues with a pattern"},
      {"BITNETC_THREADS", options.threads ? std::to_string(options.threads) : "(unset)",
       "default thread count; unset: every CPU this process may use"},
      {"BITNETC_LIBCUDA", or_unset(options.cuda_library),
       "library of the NVIDIA driver; unset: libcuda.so.1, wherever the loader finds it"},
      {"CUDA_VISIBLE_DEVICES", visible.empty() ? "(empty)" : visible,
       "GPUs that the driver shows; unset: all"},
      {"XDG_CACHE_HOME", or_unset(options.cache_dir), "cache folder in use"},
      {"XDG_STATE_HOME", or_unset(options.state_dir), "folder of the history of chats"},
      {"CUDA_HOME", or_unset(options.cuda_folder),
       "folder of a CUDA toolkit, looked into for NVRTC; else CUDA_PATH"},
      {"HF_ENDPOINT", or_unset(options.hub_endpoint), "hub that pull downloads from"},
      {"HF_TOKEN", options.hub_token.empty() ? "(unset)" : "(set)",
       "token for repositories that want one"},
  };
}

}  // namespace bitnetc
