#include "tools/bitnetc/bench_cost_report.h"

#include <cmath>
#include <nlohmann/json.hpp>

#include "tools/bitnetc/console.h"
#include "tools/bitnetc/kernel_bench_report.h"
#include "tools/bitnetc/svg_plot.h"

namespace bitnetc {
namespace {

constexpr const char* kColours[] = {"#2f6fb0", "#d9822b", "#2e8b62", "#8457b0", "#888888"};

std::string name_of(const CostLine& line) {
  return fmt::format("{}, {} thread{}, {}", line.test.name(), line.threads, plural(line.threads),
                     kind_name(line.kind));
}

// "0.84 ms + bytes / 21.90 GB/s"
std::string formula(const CostLine& line) {
  return fmt::format("{:.2f} ms + bytes / {:.2f} GB/s", 1e3 * line.fixed_seconds,
                     1e-9 / line.seconds_per_byte);
}

std::string worst_of(const CostLine& line) {
  const CostPoint& worst = line.farthest();
  return fmt::format("{:+.1f} %, {}", 100 * line.deviation(worst), worst.model);
}

constexpr int kLineSteps = 64;

// On a logarithmic axis a straight line is none: it is drawn through many points.
std::vector<std::pair<double, double>> drawn(const CostLine& line) {
  const double least = line.points.front().bytes, most = line.points.back().bytes;
  std::vector<std::pair<double, double>> points;
  for (int i = 0; i <= kLineSteps; ++i) {
    const double bytes = least * std::pow(most / least, static_cast<double>(i) / kLineSteps);
    points.emplace_back(bytes / 1e9, 1e3 * line.seconds_at(bytes));
  }
  return points;
}

std::string table_of(const CostLine& line) {
  std::string text = fmt::format(
      "<p>{}: seconds of a token = {}; farthest from it: {}</p>\n<table>\n<tr>"
      "<th class=\"name\">model</th><th>GB per token</th><th>ms per token</th>"
      "<th>of the line</th><th>deviation</th><th>GB/s</th></tr>\n",
      name_of(line), formula(line), escape_xml(worst_of(line)));
  for (const CostPoint& point : line.points)
    text += fmt::format(
        "<tr><td class=\"name\">{}</td><td>{:.3f}</td><td>{:.2f}</td><td>{:.2f}</td>"
        "<td>{:+.1f} %</td><td>{:.2f}</td></tr>\n",
        escape_xml(point.model), point.bytes / 1e9, 1e3 * point.seconds,
        1e3 * line.seconds_at(point.bytes), 100 * line.deviation(point),
        point.bytes / point.seconds / 1e9);
  return text + "</table>\n";
}

}  // namespace

void print_cost(const std::vector<CostLine>& lines) {
  for (const CostLine& line : lines)
    print_out("\n{}: seconds of a token over its bytes, {} models\n  {}\n  farthest: {}\n",
              name_of(line), line.points.size(), formula(line), worst_of(line));
}

nlohmann::ordered_json cost_json(const std::vector<CostLine>& lines) {
  auto all = nlohmann::ordered_json::array();
  for (const CostLine& line : lines) {
    auto points = nlohmann::ordered_json::array();
    for (const CostPoint& point : line.points)
      points.push_back({{"model", point.model},
                        {"bytes_per_token", point.bytes},
                        {"seconds_per_token", point.seconds},
                        {"deviation", line.deviation(point)}});
    all.push_back({{"test", line.test.name()},
                   {"threads", line.threads},
                   {"kernels", kind_name(line.kind)},
                   {"fixed_seconds", line.fixed_seconds},
                   {"seconds_per_byte", line.seconds_per_byte},
                   {"largest_deviation", line.deviation(line.farthest())},
                   {"points", std::move(points)}});
  }
  return all;
}

std::string cost_html(const std::vector<CostLine>& lines) {
  if (lines.empty()) return "";
  ScatterPlot plot{.title = "What a token costs over what it reads",
                   .x_name = "GB per token",
                   .unit = "ms per token",
                   .series = {}};
  std::string tables;
  for (size_t i = 0; i < lines.size(); ++i) {
    ScatterSeries series{.name = name_of(lines[i]),
                         .colour = kColours[i % std::size(kColours)],
                         .points = {},
                         .line = drawn(lines[i])};
    for (const CostPoint& point : lines[i].points)
      series.points.emplace_back(point.bytes / 1e9, 1e3 * point.seconds);
    plot.series.push_back(std::move(series));
    tables += table_of(lines[i]);
  }
  return "<h2>Seconds per token over bytes per token</h2>\n"
         "<p>Dots are models. The line has the least sum of squares of relative errors.</p>\n" +
         draw(plot) + tables;
}

}  // namespace bitnetc
