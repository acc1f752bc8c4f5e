#include "tools/bitnetc/measured_limits.h"

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
double remember_largest(const fs::path& path, const std::string& key, double value) {
  json document = read_remembered(path);
  if (document.contains(key) && document[key].is_number())
    value = std::max(value, document[key].get<double>());
  document[key] = value;
  std::error_code error;
  fs::create_directories(path.parent_path(), error);
  const fs::path temporary = fmt::format("{}.tmp-{}", path.string(), ::getpid());
  std::ofstream(temporary) << document.dump(1) << '\n';
  fs::rename(temporary, path, error);
  if (error) fs::remove(temporary, error);
  return value;
}

template <typename Measure>
double remembered_limit(const std::string& what, int threads, bool fresh, const Measure& measure) {
  const bool has_cache = !options().cache_dir.empty();
  const fs::path path = fs::path(options().cache_dir) / "limits.json";
  const std::string key = fmt::format("{}, {} threads, {}", cpu_features().brand, threads, what);
  if (has_cache && !fresh) {
    const json document = read_remembered(path);
    if (document.contains(key) && document[key].is_number()) return document[key].get<double>();
  }
  const double measured = measure();
  return has_cache ? remember_largest(path, key, measured) : measured;
}

}  // namespace

double read_bandwidth(int threads, bool fresh) {
  return remembered_limit("bytes read per second", threads, fresh,
                          [&] { return measure_read_bandwidth(threads); });
}

double int8_peak(Isa isa, int threads, bool fresh) {
  if (!machine_target().supports(isa)) return 0;
  return remembered_limit(fmt::format("operations per second of {}", int8_unit_name(isa)), threads,
                          fresh, [&] { return measure_int8_peak(isa, threads); });
}

}  // namespace bitnetc
