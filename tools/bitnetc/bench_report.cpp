#include "tools/bitnetc/bench_report.h"

#include <nlohmann/json.hpp>

#include "autotune/machine.h"
#include "tools/bitnetc/bench_cost_report.h"
#include "tools/bitnetc/console.h"
#include "tools/bitnetc/html_page.h"
#include "tools/bitnetc/json_output.h"
#include "tools/bitnetc/kernel_bench_report.h"
#include "tools/bitnetc/svg_plot.h"

namespace bitnetc {
namespace {

// "-" where there is none.
std::string number_or_dash(double value, int decimals) {
  return value > 0 ? fmt::format("{:.{}f}", value, decimals) : "-";
}

std::string heading(const Bench& bench) {
  const std::string keys_and_values =
      bench.kv_type == KvType::kF16
          ? std::string()
          : fmt::format(", keys and values as {}", kv_type_name(bench.kv_type));
  return fmt::format("{}, {}{}", bench.model, format_bytes(bench.model_bytes), keys_and_values);
}

// Quoted where it holds what separates fields.
std::string csv_field(const std::string& text) {
  if (text.find_first_of(",\"\r\n") == std::string::npos) return text;
  std::string quoted = "\"";
  for (const char c : text) quoted += c == '"' ? std::string("\"\"") : std::string(1, c);
  return quoted + '"';
}

const char* colour_of(GeneratorKind kind) {
  switch (kind) {
    case GeneratorKind::kGenerated: return "#2f6fb0";
    case GeneratorKind::kCompiled: return "#c77b2b";
    case GeneratorKind::kReference: return "#888888";
  }
  return "#000000";
}

// One plot per number of threads, a group per test.
std::string plots_of(const Bench& bench) {
  std::string text;
  for (size_t first = 0; first < bench.rows.size();) {
    const int threads = bench.rows[first].threads;
    BarPlot plot{.title = fmt::format("{} thread{}", threads, plural(threads)),
                 .unit = "tokens/s",
                 .limit_name = "the read bandwidth",
                 .groups = {}};
    size_t i = first;
    for (; i < bench.rows.size() && bench.rows[i].threads == threads; ++i) {
      const BenchRow& row = bench.rows[i];
      const bool fresh = plot.groups.empty() || plot.groups.back().title != row.test.name();
      if (fresh) plot.groups.push_back({.title = row.test.name(), .bars = {}});
      const double rate = row.tokens_per_second();
      if (row.bytes_per_token > 0)
        plot.groups.back().limit = row.read_bandwidth / row.bytes_per_token;
      const auto [least, most] = std::minmax_element(row.seconds.begin(), row.seconds.end());
      const auto tokens = static_cast<double>(row.test.tokens());
      plot.groups.back().bars.push_back(
          {.label = std::string(kind_name(row.kind)),
           .value = rate,
           .low = tokens / *most,
           .high = tokens / *least,
           .note = row.limit_share() > 0
                       ? fmt::format("{:.0f} % of the limit", 100 * row.limit_share())
                       : "",
           .colour = colour_of(row.kind)});
    }
    text += draw(plot);
    first = i;
  }
  return text;
}

std::string table_of(const Bench& bench) {
  std::string text =
      "<table>\n<tr><th class=\"name\">test</th><th>threads</th><th class=\"name\">kernels</th>"
      "<th>tokens/s</th><th>mean</th><th>±</th><th>ms</th><th>GB per token</th><th>GB/s</th>"
      "<th>of limit</th><th>J per token</th></tr>\n";
  for (const BenchRow& row : bench.rows)
    text += fmt::format(
        "<tr><td class=\"name\">{}</td><td>{}</td><td class=\"name\">{}</td><td>{:.2f}</td>"
        "<td>{:.2f}</td><td>{:.2f}</td><td>{:.1f}</td><td>{}</td><td>{}</td><td>{}</td>"
        "<td>{}</td></tr>\n",
        row.test.name(), row.threads, kind_name(row.kind), row.tokens_per_second(), row.mean_rate(),
        row.rate_deviation(), 1e3 * row.median_seconds(),
        number_or_dash(row.bytes_per_token / 1e9, 3),
        number_or_dash(row.tokens_per_second() * row.bytes_per_token / 1e9, 2),
        row.limit_share() > 0 ? fmt::format("{:.0f} %", 100 * row.limit_share()) : "-",
        number_or_dash(row.joules_per_token, 3));
  return text + "</table>\n";
}

void print_rows(const Bench& bench) {
  print_out("{}\n\n", heading(bench));
  print_out("{:<22} {:>7} {:<10} {:>10} {:>18} {:>10} {:>8} {:>7} {:>6} {:>8}\n", "test", "threads",
            "kernels", "tokens/s", "mean", "ms", "GB/token", "GB/s", "limit", "J/token");
  for (const BenchRow& row : bench.rows)
    print_out("{:<22} {:>7} {:<10} {:>10.2f} {:>18} {:>10.1f} {:>8} {:>7} {:>6} {:>8}\n",
              row.test.name(), row.threads, kind_name(row.kind), row.tokens_per_second(),
              row.seconds.size() < 2
                  ? "-"
                  : fmt::format("{:.2f} +- {:.2f}", row.mean_rate(), row.rate_deviation()),
              1e3 * row.median_seconds(), number_or_dash(row.bytes_per_token / 1e9, 3),
              number_or_dash(row.tokens_per_second() * row.bytes_per_token / 1e9, 2),
              row.limit_share() > 0 ? fmt::format("{:.0f} %", 100 * row.limit_share()) : "-",
              number_or_dash(row.joules_per_token, 3));
}

nlohmann::ordered_json json_of(const Bench& bench, const BenchRow& row) {
  return {{"test", row.test.name()},
          {"prompt", row.test.prompt},
          {"generated", row.test.generated},
          {"depth", row.test.depth},
          {"threads", row.threads},
          {"kernels", kind_name(row.kind)},
          {"tokens_per_second", row.tokens_per_second()},
          {"mean_tokens_per_second", row.mean_rate()},
          {"deviation", row.rate_deviation()},
          {"seconds", row.seconds},
          {"bytes_per_token", row.bytes_per_token},
          {"read_bandwidth_bytes_per_second", row.read_bandwidth},
          {"operations_per_token", row.operations_per_token},
          {"peak_operations_per_second", row.peak_operations},
          {"limit_share", row.limit_share()},
          {"joules_per_token", row.joules_per_token},
          {"model", bench.model},
          {"model_bytes", bench.model_bytes}};
}

bool was_interrupted(std::span<const Bench> models) {
  return models.back().interrupted;
}

}  // namespace

void print_bench(std::span<const Bench> models) {
  for (const Bench& bench : models) {
    if (&bench != &models.front()) print_out("\n");
    print_rows(bench);
  }
  print_cost(cost_lines(models));
  if (const std::string& why = models.front().energy; !why.empty())
    print_note("energy is not available: " + why);
  if (was_interrupted(models)) print_note("interrupted: not everything was measured");
}

void write_bench_json(std::span<const Bench> models) {
  auto rows = nlohmann::ordered_json::array();
  for (const Bench& bench : models)
    for (const BenchRow& row : bench.rows) rows.push_back(json_of(bench, row));
  const Bench& first = models.front();
  write_json("bench", 1,
             {{"model", first.model},
              {"model_bytes", first.model_bytes},
              {"kv_type", kv_type_name(first.kv_type)},
              {"machine", describe(this_machine())},
              {"energy", first.energy.empty() ? "measured" : first.energy},
              {"interrupted", was_interrupted(models)},
              {"rows", std::move(rows)},
              {"cost_lines", cost_json(cost_lines(models))},
              {"bitnetc_version", BITNETC_VERSION}});
}

std::string bench_csv(std::span<const Bench> models) {
  std::string text =
      "test,prompt,generated,depth,threads,kernels,tokens_per_second,mean,deviation,"
      "median_seconds,bytes_per_token,read_bandwidth,operations_per_token,"
      "peak_operations,limit_share,joules_per_token,model\n";
  for (const Bench& bench : models)
    for (const BenchRow& row : bench.rows)
      text += fmt::format("{},{},{},{},{},{},{},{},{},{},{},{},{},{},{},{},{}\n", row.test.name(),
                          row.test.prompt, row.test.generated, row.test.depth, row.threads,
                          kind_name(row.kind), row.tokens_per_second(), row.mean_rate(),
                          row.rate_deviation(), row.median_seconds(), row.bytes_per_token,
                          row.read_bandwidth, row.operations_per_token, row.peak_operations,
                          row.limit_share(), row.joules_per_token, csv_field(bench.model));
  return text;
}

std::string bench_html(std::span<const Bench> models) {
  const std::string& why = models.front().energy;
  const std::string energy =
      why.empty() ? "" : "<p>Energy is not available: " + escape_xml(why) + "</p>";
  std::string body = fmt::format(
      "<h1>{}</h1>\n<p>{}</p>\n<p>bitnetc {}, {}{}</p>\n"
      "<p>Tests of a number of threads took turns; bars are medians, thin lines reach "
      "from the slowest to the fastest repeat. The limit of generation is the rate "
      "at which threads that only read the model's file read it, over the bytes of a "
      "token; of prompts the peak of the unit that multiplies, over the operations of a "
      "token's matmuls.</p>{}\n",
      models.size() == 1 ? escape_xml(heading(models.front()))
                         : fmt::format("{} models", models.size()),
      escape_xml(describe(this_machine())), BITNETC_VERSION, today(),
      was_interrupted(models) ? "; interrupted: not everything was measured" : "", energy);
  body += cost_html(cost_lines(models));
  for (const Bench& bench : models) {
    if (models.size() > 1) body += fmt::format("<h2>{}</h2>\n", escape_xml(heading(bench)));
    body += plots_of(bench) + table_of(bench);
  }
  return html_page("bitnetc bench", body);
}

}  // namespace bitnetc
