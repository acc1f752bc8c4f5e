#include "tools/bitnetc/profile_report.h"

#include "tools/bitnetc/console.h"

namespace bitnetc {
namespace {

double share_of(double part, double whole) {
  return whole > 0 ? part / whole : 0;
}

void print_passes(const PassProfile& profile, const char* heading, double read_bandwidth) {
  if (profile.passes == 0) return;
  const auto passes = static_cast<double>(profile.passes);
  print_err("\n{}: {} of {:.3f} ms, {} token{}\n", heading, profile.passes,
            1e3 * profile.seconds / passes, profile.rows, plural(profile.rows));
  print_err("  {:<28} {:>5} {:>10} {:>7} {:>8} {:>6}\n", "step", "runs", "us", "share", "GB/s",
            "limit");
  for (const StepGroup& group : profile.groups) {
    const double bytes_per_second = share_of(group.bytes, group.seconds);
    const bool has_limit = group.bytes > 0 && read_bandwidth > 0;
    print_err("  {:<28} {:>5} {:>10.1f} {:>5.1f} % {:>8} {:>6}\n", group.name,
              group.runs / profile.passes, 1e6 * group.seconds / passes,
              100 * share_of(group.seconds, profile.seconds),
              group.bytes > 0 ? fmt::format("{:.2f}", bytes_per_second / 1e9) : "-",
              has_limit ? fmt::format("{:.0f} %", 100 * bytes_per_second / read_bandwidth) : "-");
  }
}

nlohmann::ordered_json json_of(const PassProfile& profile) {
  auto steps = nlohmann::ordered_json::array();
  for (const StepGroup& group : profile.groups)
    steps.push_back({{"name", group.name},
                     {"runs", group.runs},
                     {"seconds", group.seconds},
                     {"weight_bytes", group.bytes}});
  return {{"passes", profile.passes},
          {"tokens", profile.rows},
          {"seconds", profile.seconds},
          {"steps", std::move(steps)}};
}

}  // namespace

void print_profile(const StepProfile& profile, double read_bandwidth) {
  print_passes(profile.batches(), "passes of several tokens", read_bandwidth);
  print_passes(profile.single_rows(), "passes of one token", read_bandwidth);
}

nlohmann::ordered_json json_of(const StepProfile& profile) {
  return {{"batches", json_of(profile.batches())},
          {"single_tokens", json_of(profile.single_rows())}};
}

}  // namespace bitnetc
