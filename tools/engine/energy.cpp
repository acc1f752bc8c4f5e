#include "tools/engine/energy.h"

#include <algorithm>
#include <filesystem>
#include <fstream>

namespace bitnetc {
namespace {

namespace fs = std::filesystem;

Result<uint64_t> read_number(const std::string& path) {
  std::ifstream file(path);
  uint64_t number = 0;
  if (file >> number) return number;
  return make_error(StatusCode::kIoError, "{}: cannot be read", path);
}

std::string read_word(const std::string& path) {
  std::ifstream file(path);
  std::string word;
  file >> word;
  return word;
}

}  // namespace

Result<EnergyMeter> EnergyMeter::open(const std::string& root) {
  EnergyMeter meter;
  std::error_code error;
  Status unreadable;
  for (const auto& entry : fs::directory_iterator(root, error)) {
    const std::string zone = entry.path().string();
    if (!read_word(zone + "/name").starts_with("package")) continue;
    Package package{.counter = zone + "/energy_uj"};
    const auto last = read_number(package.counter);
    const auto range = read_number(zone + "/max_energy_range_uj");
    if (!last.ok() || !range.ok()) {
      unreadable = last.ok() ? range.status() : last.status();
      continue;
    }
    package.last = *last;
    package.range = *range;
    meter.packages_.push_back(package);
  }
  if (!meter.packages_.empty()) return meter;
  if (!unreadable.ok())
    return make_error(StatusCode::kUnsupported, "{} (only root may, on many systems)",
                      unreadable.message());
  return make_error(StatusCode::kUnsupported, "{} has no processor package", root);
}

Result<double> EnergyMeter::joules() {
  for (Package& package : packages_) {
    BITNETC_ASSIGN_OR_RETURN(const uint64_t now, read_number(package.counter));
    const uint64_t went_round = now < package.last ? package.range : 0;
    joules_ += static_cast<double>(now + went_round - package.last) * 1e-6;
    package.last = now;
  }
  return joules_;
}

}  // namespace bitnetc
