// The page of `bitnetc kernel bench --html`: per shape what one token costs, against the read
// bandwidth, and what many tokens gain, against the arithmetic peaks.
#include <algorithm>
#include <map>
#include <set>

#include "autotune/limits.h"
#include "autotune/machine.h"
#include "tools/bitnetc/arguments.h"
#include "tools/bitnetc/html_page.h"
#include "tools/bitnetc/kernel_bench_report.h"
#include "tools/bitnetc/svg_plot.h"
#include "tools/bitnetc/tuning_report.h"

namespace bitnetc {
namespace {

std::string threads_text(int threads) {
  return fmt::format("{} thread{}", threads, threads == 1 ? "" : "s");
}

std::string regime_text(WeightRegime regime) {
  return regime == WeightRegime::kMemory ? "weights from memory" : "weights in cache";
}

bool same_shape(const MatmulSpec& a, const MatmulSpec& b) {
  return a.n == b.n && a.k == b.k && a.epilogue == b.epilogue;
}

// What a plot shows: the cases of one shape, number of threads and regime.
struct Panel {
  int threads;
  WeightRegime regime;
  std::vector<const KernelCase*> cases;
};

// From memory where that was measured: what a model meets.
std::vector<Panel> panels_of(const std::vector<const KernelCase*>& cases) {
  std::set<WeightRegime> regimes;
  std::set<int> threads;
  for (const KernelCase* c : cases) {
    regimes.insert(c->regime);
    threads.insert(c->threads);
  }
  std::vector<Panel> panels;
  for (const int each : threads) {
    Panel panel{each, *regimes.rbegin(), {}};
    for (const KernelCase* c : cases)
      if (c->threads == each && c->regime == panel.regime) panel.cases.push_back(c);
    panels.push_back(std::move(panel));
  }
  return panels;
}

BarGroup group_of(const KernelCase& c, const MachineLimits& limits) {
  const double bits = c.spec.weight_layout().bits_per_weight();
  BarGroup group{.title =
                     fmt::format("{}, {:.2f} bits a weight", layout_name(c.spec.layout), bits)};
  if (c.regime == WeightRegime::kMemory)
    group.limit = limits.read_bytes_per_second * 8 / bits / 1e9;
  for (const KernelResult& result : c.results) {
    if (!result.failure.empty()) continue;
    const double scale = result.weights_per_second * result.seconds.median / 1e9;
    group.bars.push_back(
        {.label = result.label,
         .value = result.weights_per_second / 1e9,
         .low = scale / result.seconds.q3,
         .high = scale / result.seconds.q1,
         .note = result.read_share > 0 ? fmt::format("({:.0f} %)", 100 * result.read_share) : "",
         .colour = colour_of(c.spec.layout),
         .pale = result.origin != KernelOrigin::kGenerated});
  }
  return group;
}

std::string draw_bars(const Panel& panel, const KernelBench& bench) {
  int64_t fewest = panel.cases.front()->tokens;
  for (const KernelCase* c : panel.cases) fewest = std::min(fewest, c->tokens);
  BarPlot plot{.title = fmt::format("Weights decoded per second, M = {}, {}, {}", fewest,
                                    threads_text(panel.threads), regime_text(panel.regime)),
               .unit = "Gweights/s (share of the read bandwidth)",
               .limit_name = "read limit"};
  for (const KernelCase* c : panel.cases) {
    if (c->tokens != fewest) continue;
    BarGroup group = group_of(*c, bench.limits_of(c->threads));
    if (!group.bars.empty()) plot.groups.push_back(std::move(group));
  }
  return plot.groups.empty() ? "" : draw(plot);
}

// The fastest of an origin in every case of a layout, over M.
Series series_of(const Panel& panel, LayoutId layout, KernelOrigin origin) {
  Series series{.name = fmt::format("{}, {}", layout_name(layout), origin_name(origin)),
                .colour = colour_of(layout),
                .dashed = origin == KernelOrigin::kStatic};
  std::map<int64_t, double> best;
  for (const KernelCase* c : panel.cases) {
    if (c->spec.layout != layout) continue;
    for (const KernelResult& result : c->results)
      if (result.failure.empty() && result.origin == origin)
        best[c->tokens] = std::max(best[c->tokens], result.operations_per_second / 1e9);
  }
  for (const auto& [tokens, speed] : best)
    series.points.emplace_back(static_cast<double>(tokens), speed);
  return series;
}

std::string draw_lines(const Panel& panel, const KernelBench& bench) {
  LinePlot plot{.title = fmt::format("Fastest kernel over tokens, {}, {}",
                                     threads_text(panel.threads), regime_text(panel.regime)),
                .x_name = "M, tokens per call",
                .unit = "Gop/s"};
  std::set<Isa> tiers;
  for (const KernelCase* c : panel.cases)
    for (const KernelResult& result : c->results)
      if (result.tier && result.failure.empty()) tiers.insert(*result.tier);
  for (const LayoutId layout : kLayouts) {
    for (const KernelOrigin origin : {KernelOrigin::kGenerated, KernelOrigin::kStatic}) {
      Series series = series_of(panel, layout, origin);
      if (!series.points.empty()) plot.series.push_back(std::move(series));
    }
  }
  if (plot.series.empty()) return "";
  for (const auto& [isa, peak] : bench.limits_of(panel.threads).int8_operations_per_second)
    if (tiers.contains(isa))
      plot.levels.push_back({fmt::format("peak of {}", int8_unit_name(isa)), peak / 1e9});
  return draw(plot);
}

std::string row_of(const KernelCase& c, const KernelResult& result) {
  const std::string where =
      fmt::format("<td>{}</td><td>{}</td><td>{}</td><td>{}</td>", layout_name(c.spec.layout),
                  c.tokens, c.threads, regime_name(c.regime));
  const std::string name = fmt::format("<td class=\"name\">{}</td>", escape_xml(result.label));
  if (!result.failure.empty())
    return fmt::format("<tr>{}{}<td class=\"name\" colspan=\"5\">{}</td></tr>\n", name, where,
                       escape_xml(result.failure));
  const auto percent = [](double share) {
    return share > 0 ? fmt::format("{:.1f} %", 100 * share) : std::string("-");
  };
  return fmt::format(
      "<tr{}>{}{}<td>{:.1f}</td><td>{:.2f}</td><td>{}</td><td>{:.1f}</td><td>{}</td></tr>\n",
      &result == c.winner() ? " class=\"winner\"" : "", name, where, 1e6 * result.seconds.median,
      result.weights_per_second / 1e9, percent(result.read_share),
      result.operations_per_second / 1e9, percent(result.peak_share));
}

std::string table_of(const std::vector<const KernelCase*>& cases) {
  std::string rows;
  for (const KernelCase* c : cases)
    for (const KernelResult& result : c->results) rows += row_of(*c, result);
  return fmt::format(
      "<details><summary>All measurements</summary><table>\n<tr><th class=\"name\">kernel</th>"
      "<th>layout</th><th>M</th><th>threads</th><th>weights</th><th>median us</th>"
      "<th>Gweights/s</th><th>of read</th><th>Gop/s</th><th>of "
      "peak</th></tr>\n{}</table></details>\n",
      rows);
}

std::string head_of(const KernelBench& bench) {
  std::string text =
      fmt::format("<h1>Ternary matmul kernels</h1>\n<p>{}</p>\n<p>bitnetc {}, {}{}</p>\n",
                  escape_xml(describe(this_machine())), BITNETC_VERSION, today(),
                  bench.interrupted ? "; interrupted: not everything was measured" : "");
  for (const MachineLimits& limits : bench.limits) {
    text += fmt::format("<p>Measured limits, {}: {:.1f} GB/s from memory",
                        threads_text(limits.threads), limits.read_bytes_per_second / 1e9);
    for (const auto& [isa, peak] : limits.int8_operations_per_second)
      text += fmt::format(", {:.0f} Gop/s of {}", peak / 1e9,
                          escape_xml(std::string(int8_unit_name(isa))));
    text += "</p>\n";
  }
  text +=
      "<p>Kernels of a case took turns; bars and points are medians, thin lines reach from the "
      "first to "
      "the third quartile. One multiply-accumulate is two operations. Pale bars and dashed lines: "
      "kernels "
      "compiled ahead of time; full ones: generated.</p>\n<p>Layouts:";
  return text + layout_key() + "</p>\n";
}

std::string section_of(const std::vector<const KernelCase*>& cases, const KernelBench& bench) {
  const MatmulSpec& spec = cases.front()->spec;
  std::string text = fmt::format("<h2>{} rows x {} columns, {}</h2>\n", spec.n, spec.k,
                                 epilogue_name(spec.epilogue));
  const std::vector<Panel> panels = panels_of(cases);
  for (const Panel& panel : panels) text += draw_bars(panel, bench);
  for (const Panel& panel : panels) text += draw_lines(panel, bench);
  return text + table_of(cases);
}

// What tuning knows of the same shapes.
std::string landscape_of(const KernelBench& bench, EngineOptions options) {
  std::vector<MatmulSpec> shapes;
  std::set<int> threads;
  for (const KernelCase& c : bench.cases) {
    threads.insert(c.threads);
    if (shapes.empty() || !same_shape(shapes.back(), c.spec)) shapes.push_back(c.spec);
  }
  std::string text = "<h1>The tuning landscape</h1>\n";
  for (const int each : threads) {
    options.plan.threads = each;
    text += tuning_html(tuning_view(shapes, {}, options));
  }
  return text;
}

}  // namespace

std::string kernel_bench_html(const KernelBench& bench, const EngineOptions& options) {
  std::string body = head_of(bench);
  std::vector<const KernelCase*> section;
  for (const KernelCase& c : bench.cases) {
    if (!section.empty() && !same_shape(section.front()->spec, c.spec)) {
      body += section_of(section, bench);
      section.clear();
    }
    section.push_back(&c);
  }
  if (!section.empty()) body += section_of(section, bench);
  return html_page("bitnetc kernel bench", body + landscape_of(bench, options));
}

}  // namespace bitnetc
