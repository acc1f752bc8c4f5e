#include "tools/engine/device.h"

#include <charconv>

#include "runtime/gpu_emulator.h"
#include "runtime/printable.h"
#include "runtime/target.h"

namespace bitnetc {
namespace {

constexpr std::string_view kCuda = "cuda", kEmulated = "emulated";
constexpr int kEmulatedSm = 90;

Status no_such_device(const std::string& name) {
  return make_error(StatusCode::kInvalidArgument,
                    "device '{}': expected cpu, cuda, cuda:N, emulated or emulated:sm_N",
                    printable(name, 40));
}

std::optional<int> parse_index(std::string_view text) {
  int index = 0;
  const auto [stop, error] = std::from_chars(text.data(), text.data() + text.size(), index);
  const bool is_whole = error == std::errc() && stop == text.data() + text.size();
  return is_whole && index >= 0 ? std::optional(index) : std::nullopt;
}

}  // namespace

Result<std::shared_ptr<GpuDevice>> open_device(const std::string& name,
                                               const GpuDriverSettings& driver) {
  if (name == "cpu") return std::shared_ptr<GpuDevice>();
  const size_t colon = std::min(name.find(':'), name.size());
  const std::string_view kind = std::string_view(name).substr(0, colon);
  const std::string_view rest = std::string_view(name).substr(std::min(colon + 1, name.size()));
  const bool has_rest = colon < name.size();
  if (kind == kCuda) {
    const std::optional<int> index = has_rest ? parse_index(rest) : 0;
    if (!index) return no_such_device(name);
    BITNETC_ASSIGN_OR_RETURN(std::unique_ptr<GpuDevice> gpu, open_gpu(*index, driver));
    return std::shared_ptr<GpuDevice>(std::move(gpu));
  }
  if (kind != kEmulated) return no_such_device(name);
  int sm = kEmulatedSm;
  if (has_rest) {
    const auto target = parse_target(rest);
    if (!target.ok() || target->is_cpu()) return no_such_device(name);
    sm = target->sm;
  }
  BITNETC_ASSIGN_OR_RETURN(std::unique_ptr<GpuDevice> gpu, make_emulated_gpu({.sm = sm}));
  return std::shared_ptr<GpuDevice>(std::move(gpu));
}

}  // namespace bitnetc
