#include "autotune/limits.h"

#include <fmt/format.h>

#include <algorithm>
#include <cmath>
#include <nlohmann/json.hpp>
#include <optional>
#include <string>
#include <utility>

#include "autotune/machine.h"
#include "runtime/cache_directory.h"

namespace bitnetc {
namespace {

using nlohmann::json;

double find(const std::vector<std::pair<Isa, double>>& peaks, Isa isa) {
  for (const auto& [each, peak] : peaks)
    if (each == isa) return peak;
  return 0;
}

// limits/<fingerprint>.json in the cache directory: "bytes read per second, 2 threads": 8.1e10, ...
class LimitsFile {
 public:
  explicit LimitsFile(const std::string& cache_dir)
      : name_(fingerprint(this_machine()) + ".json"),
        directory_(CacheDirectory::open(cache_dir, "limits")) {}

  std::optional<double> find(const std::string& what) const {
    const json document = read();
    const auto found = document.find(what);
    if (found == document.end() || !found->is_number()) return std::nullopt;
    const double value = found->get<double>();
    return std::isfinite(value) && value > 0 ? std::optional(value) : std::nullopt;
  }

  // Keeps the largest and returns it.
  double remember(const std::string& what, double value) const {
    if (!directory_.ok()) return value;
    const auto lock = directory_->lock();
    json document = read();
    value = std::max(value, find(what).value_or(0));
    document[what] = value;
    const std::string text = document.dump(1) + "\n";
    // Best effort: what is not kept is measured again.
    static_cast<void>(
        directory_->publish(name_, {reinterpret_cast<const uint8_t*>(text.data()), text.size()}));
    return value;
  }

 private:
  // Anything unreadable counts as nothing remembered.
  json read() const {
    constexpr int64_t kMostBytes = 1 << 20;
    if (!directory_.ok()) return json::object();
    const auto bytes = directory_->read(name_, kMostBytes);
    if (!bytes.ok() || !bytes->has_value()) return json::object();
    json document = json::parse((*bytes)->begin(), (*bytes)->end(), nullptr,
                                /*allow_exceptions=*/false);
    return document.is_object() ? document : json::object();
  }

  const std::string name_;
  const Result<CacheDirectory> directory_;
};

struct Request {
  std::string cache_dir;
  int threads;
  MeasuringOptions options;  // its note until it has been heard once
};

template <typename Measure>
double remembered(std::string_view what, Request& request, const Measure& measure) {
  const LimitsFile file(request.cache_dir);
  const std::string threads =
      fmt::format("{} thread{}", request.threads, request.threads == 1 ? "" : "s");
  const std::string key = fmt::format("{}, {}", what, threads);
  if (!request.options.fresh)
    if (const std::optional<double> known = file.find(key)) return *known;
  if (request.options.is_cancelled && request.options.is_cancelled()) return 0;
  if (const MeasuringNote note = std::exchange(request.options.note, {}))
    note(fmt::format("measuring what this machine reaches with {} (once, less than a second)",
                     threads));
  return file.remember(key, measure());
}

double read_bandwidth(Request& request) {
  return remembered("bytes read per second", request,
                    [&] { return measure_read_bandwidth(request.threads); });
}

}  // namespace

double MachineLimits::peak_of(Isa isa) const {
  return find(int8_operations_per_second, isa);
}

double MachineLimits::fp32_peak_of(Isa isa) const {
  return find(fp32_operations_per_second, isa);
}

double remembered_read_bandwidth(const std::string& cache_dir, int threads,
                                 MeasuringOptions options) {
  Request request{cache_dir, threads, std::move(options)};
  return read_bandwidth(request);
}

MachineLimits remembered_limits(const std::string& cache_dir, int threads,
                                MeasuringOptions options) {
  Request request{cache_dir, threads, std::move(options)};
  MachineLimits limits{.threads = threads, .read_bytes_per_second = read_bandwidth(request)};
  const Target& target = this_machine().target;
  for (const Isa isa : {Isa::kAvx2, Isa::kAvxVnni, Isa::kAvx512Vnni, Isa::kAmx}) {
    if (!target.supports(isa)) continue;
    limits.int8_operations_per_second.emplace_back(
        isa,
        remembered(int8_unit_name(isa), request, [&] { return measure_int8_peak(isa, threads); }));
    if (fp32_unit_name(isa) == "none") continue;
    limits.fp32_operations_per_second.emplace_back(
        isa,
        remembered(fp32_unit_name(isa), request, [&] { return measure_fp32_peak(isa, threads); }));
  }
  return limits;
}

}  // namespace bitnetc
