#include "tools/bitnetc/measured_bandwidth.h"

#include <unistd.h>

#include <algorithm>
#include <filesystem>
#include <fstream>
#include <nlohmann/json.hpp>

#include "autotune/machine.h"
#include "runtime/cpu_features.h"
#include "runtime/options.h"

namespace bitnetc {
namespace {

namespace fs = std::filesystem;
using nlohmann::json;

// Anything unreadable counts as nothing remembered.
json read_remembered(const fs::path& path) {
  std::ifstream file(path);
  json document = json::parse(file, nullptr, /*allow_exceptions=*/false);
  return document.is_object() ? document : json::object();
}

// Noise only ever lowers a measurement, so the largest one seen is the limit.
double remember_largest(const fs::path& path, const std::string& key, double bytes_per_second) {
  json document = read_remembered(path);
  if (document.contains(key) && document[key].is_number())
    bytes_per_second = std::max(bytes_per_second, document[key].get<double>());
  document[key] = bytes_per_second;
  std::error_code error;
  fs::create_directories(path.parent_path(), error);
  const fs::path temporary = fmt::format("{}.tmp-{}", path.string(), ::getpid());
  std::ofstream(temporary) << document.dump(1) << '\n';
  fs::rename(temporary, path, error);
  if (error) fs::remove(temporary, error);
  return bytes_per_second;
}

}  // namespace

double read_bandwidth(int threads, bool fresh) {
  const bool has_cache = !options().cache_dir.empty();
  const fs::path path = fs::path(options().cache_dir) / "bandwidth.json";
  const std::string key = fmt::format("{}, {} threads", cpu_features().brand, threads);
  if (has_cache && !fresh) {
    const json document = read_remembered(path);
    if (document.contains(key) && document[key].is_number()) return document[key].get<double>();
  }
  const double measured = measure_read_bandwidth(threads);
  return has_cache ? remember_largest(path, key, measured) : measured;
}

}  // namespace bitnetc
