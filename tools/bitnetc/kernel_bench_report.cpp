#include "tools/bitnetc/kernel_bench_report.h"

#include <algorithm>
#include <chrono>
#include <ctime>
#include <nlohmann/json.hpp>

#include "autotune/limits.h"
#include "autotune/machine.h"
#include "runtime/cpu_features.h"
#include "runtime/thread_pool.h"
#include "tools/bitnetc/arguments.h"
#include "tools/bitnetc/console.h"
#include "tools/bitnetc/json_output.h"

namespace bitnetc {
namespace {

using nlohmann::json;

std::string percent(double share) {
  return share > 0 ? fmt::format("{:.1f}", 100 * share) : "-";
}

void print_limits(const KernelBench& bench) {
  for (const MachineLimits& limits : bench.limits) {
    print_out("limits      {} thread{}: {:.1f} GB/s from memory", limits.threads,
              plural(limits.threads), limits.read_bytes_per_second / 1e9);
    for (const auto& [isa, peak] : limits.int8_operations_per_second)
      print_out("; {:.0f} Gop/s {}", peak / 1e9, int8_unit_name(isa));
    print_out("\n");
  }
}

void print_result(const KernelResult& result, bool is_winner, int label_width) {
  if (!result.failure.empty()) {
    print_out("  {:<{}}  not timed: {}\n", result.label, label_width, result.failure);
    return;
  }
  print_out("{} {:<{}} {:>9.1f} {:>9.1f} {:>9.1f} {:>11.2f} {:>7.2f} {:>6} {:>8.1f} {:>6}",
            is_winner ? '*' : ' ', result.label, label_width, 1e6 * result.seconds.median,
            1e6 * result.seconds.q1, 1e6 * result.seconds.q3, result.weights_per_second / 1e9,
            result.bytes_per_second / 1e9, percent(result.read_share),
            result.operations_per_second / 1e9, percent(result.peak_share));
  if (result.tables_us_per_token > 0)
    print_out("  + {:.1f} us a token for tables", result.tables_us_per_token);
  print_out("\n");
}

void print_case(const KernelCase& c) {
  print_out("\n{}, {} ({:.2f} bits a weight), M = {}, {} thread{}, weights {}\n",
            shape_title(c.spec), layout_name(c.spec.layout),
            c.spec.weight_layout().bits_per_weight(), c.tokens, c.threads, plural(c.threads),
            c.regime == WeightRegime::kCache ? "in cache" : "from memory");
  size_t width = 6;
  for (const KernelResult& result : c.results) width = std::max(width, result.label.size());
  const int label_width = static_cast<int>(width);
  print_out("  {:<{}} {:>9} {:>9} {:>9} {:>11} {:>7} {:>6} {:>8} {:>6}\n", "kernel", label_width,
            "median us", "q1", "q3", "Gweights/s", "GB/s", "% read", "Gop/s", "% peak");
  for (const KernelResult& result : c.results)
    print_result(result, &result == c.winner(), label_width);
  const auto ratios = c.ratios();
  if (ratios.empty()) return;
  print_out("  generated / static:");
  for (const OriginRatio& ratio : ratios)
    print_out(" {} {:.2f}", ratio.scope, ratio.generated_over_static);
  print_out("\n");
}

// Cases that nothing in this build serves, a line for each shape, layout and M.
void print_unserved(const std::vector<KernelCase>& cases) {
  std::string last;
  for (const KernelCase& c : cases) {
    if (!c.results.empty()) continue;
    const std::string line = fmt::format("no kernel serves {}, {}, M = {}\n", shape_title(c.spec),
                                         layout_name(c.spec.layout), c.tokens);
    if (line != last) print_out("{}{}", last.empty() ? "\n" : "", line);
    last = line;
  }
}

// Whether two cases differ in the layout at most.
bool same_but_layout(const KernelCase& a, const KernelCase& b) {
  return a.spec.n == b.spec.n && a.spec.k == b.spec.k && a.spec.epilogue == b.spec.epilogue &&
         a.tokens == b.tokens && a.threads == b.threads && a.regime == b.regime;
}

// The fastest kernel over all layouts, and the best generated code against the best compiled ahead
// of time.
void print_summary(const std::vector<KernelCase>& cases) {
  print_out("\nfastest over all layouts\n  {:<22} {:>5} {:>7} {:<7} {:<44} {:>11} {:>8} {:>9}\n",
            "shape", "M", "threads", "weights", "kernel", "Gweights/s", "Gop/s", "gen/stat");
  for (size_t i = 0; i < cases.size(); ++i) {
    const auto is_same = [&](const KernelCase& other) { return same_but_layout(cases[i], other); };
    if (std::any_of(cases.begin(), cases.begin() + static_cast<long>(i), is_same)) continue;
    const KernelResult* best = nullptr;
    double generated = 0, compiled = 0;
    for (const KernelCase& c : cases) {
      if (!is_same(c)) continue;
      for (const KernelResult& result : c.results) {
        if (best == nullptr || result.weights_per_second > best->weights_per_second) best = &result;
        if (result.origin == KernelOrigin::kGenerated)
          generated = std::max(generated, result.weights_per_second);
        if (result.origin == KernelOrigin::kStatic)
          compiled = std::max(compiled, result.weights_per_second);
      }
    }
    if (best == nullptr || !best->failure.empty()) continue;
    print_out("  {:<22} {:>5} {:>7} {:<7} {:<44} {:>11.2f} {:>8.1f} {:>9}\n",
              shape_title(cases[i].spec), cases[i].tokens, cases[i].threads,
              regime_name(cases[i].regime), best->label, best->weights_per_second / 1e9,
              best->operations_per_second / 1e9,
              compiled > 0 && generated > 0 ? fmt::format("{:.2f}", generated / compiled) : "-");
  }
}

void print_ratios(const KernelBench& bench) {
  const RatioSummary ratios = bench.generated_over_static();
  if (ratios.cases == 0) return;
  const KernelCase& c = *ratios.least_case;
  print_out(
      "\ngenerated / static over {} case{}: geometric mean {:.2f}, least {:.2f} ({}, {}, M = {}, "
      "{} "
      "thread{}, {})\n",
      ratios.cases, plural(ratios.cases), ratios.geometric_mean, ratios.least, shape_title(c.spec),
      layout_name(c.spec.layout), c.tokens, c.threads, plural(c.threads), regime_name(c.regime));
}

json json_of(const KernelResult& result) {
  json object = {{"kernel", result.kernel},
                 {"generator", result.generator},
                 {"origin", origin_name(result.origin)},
                 {"tier", result.tier ? json(isa_name(*result.tier)) : json(nullptr)}};
  if (!result.failure.empty()) {
    object["failure"] = result.failure;
    return object;
  }
  object["samples"] = result.seconds.samples;
  object["seconds_per_call"] = {{"min", result.seconds.min},
                                {"q1", result.seconds.q1},
                                {"median", result.seconds.median},
                                {"q3", result.seconds.q3}};
  object["weights_per_second"] = result.weights_per_second;
  object["bytes_per_second"] = result.bytes_per_second;
  object["operations_per_second"] = result.operations_per_second;
  object["share_of_read_bandwidth"] = result.read_share;
  object["share_of_int8_peak"] = result.peak_share;
  object["tables_us_per_token"] = result.tables_us_per_token;
  return object;
}

json json_of(const KernelCase& c) {
  json kernels = json::array(), ratios = json::object();
  for (const KernelResult& result : c.results) kernels.push_back(json_of(result));
  for (const OriginRatio& ratio : c.ratios()) ratios[ratio.scope] = ratio.generated_over_static;
  return {{"n", c.spec.n},
          {"k", c.spec.k},
          {"epilogue", epilogue_name(c.spec.epilogue)},
          {"layout", layout_name(c.spec.layout)},
          {"bits_per_weight", c.spec.weight_layout().bits_per_weight()},
          {"m", c.tokens},
          {"threads", c.threads},
          {"regime", regime_name(c.regime)},
          {"winner", c.winner() != nullptr ? json(c.winner()->kernel) : json(nullptr)},
          {"generated_over_static", ratios},
          {"kernels", kernels}};
}

json json_of(const MachineLimits& limits) {
  json peaks = json::object();
  for (const auto& [isa, peak] : limits.int8_operations_per_second) peaks[isa_name(isa)] = peak;
  return {{"threads", limits.threads},
          {"read_bytes_per_second", limits.read_bytes_per_second},
          {"int8_operations_per_second", peaks}};
}

}  // namespace

std::string today() {
  const std::time_t now = std::chrono::system_clock::to_time_t(std::chrono::system_clock::now());
  std::tm utc = {};
  ::gmtime_r(&now, &utc);
  char text[32];
  std::strftime(text, sizeof text, "%Y-%m-%d %H:%M UTC", &utc);
  return text;
}

void print_kernel_bench(const KernelBench& bench) {
  print_out("machine     {}\ndate        {}\n", describe(this_machine()), today());
  print_limits(bench);
  for (const KernelCase& c : bench.cases)
    if (!c.results.empty()) print_case(c);
  print_unserved(bench.cases);
  print_summary(bench.cases);
  print_ratios(bench);
}

void write_kernel_bench_json(const KernelBench& bench) {
  json limits = json::array(), cases = json::array();
  const RatioSummary ratios = bench.generated_over_static();
  for (const MachineLimits& each : bench.limits) limits.push_back(json_of(each));
  for (const KernelCase& c : bench.cases) cases.push_back(json_of(c));
  write_json("kernel-bench", 1,
             {{"machine", describe(this_machine())},
              {"date", today()},
              {"bitnetc_version", BITNETC_VERSION},
              {"isa", bench.target.name()},
              {"interrupted", bench.interrupted},
              {"limits", limits},
              {"generated_over_static",
               {{"cases", ratios.cases},
                {"geometric_mean", ratios.geometric_mean},
                {"least", ratios.least}}},
              {"cases", cases}});
}

}  // namespace bitnetc
