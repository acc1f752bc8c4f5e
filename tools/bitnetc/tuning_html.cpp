// The tuning landscape as pictures: which layout costs what, and how the plans of a contest
// compare.
#include <algorithm>
#include <map>
#include <set>

#include "codegen/matmul_plans.h"
#include "tools/bitnetc/arguments.h"
#include "tools/bitnetc/html_page.h"
#include "tools/bitnetc/svg_plot.h"
#include "tools/bitnetc/tuning_report.h"

namespace bitnetc {
namespace {

std::string tokens_text(int m) {
  return m == kAnyM ? fmt::format("{} tokens (any number)", tuned_tokens(m))
                    : fmt::format("{} token{}", m, m == 1 ? "" : "s");
}

// Every layout's winner, a group for each number of tokens.
std::string draw_layouts(const TuningShape& shape) {
  std::map<int, BarGroup> groups;  // by tokens, so that the any-M kernels come last
  for (const TuningLayout& layout : shape.layouts) {
    for (const TuningRow& row : layout.rows) {
      if (!row.entry) continue;
      const auto tokens = static_cast<int>(tuned_tokens(row.spec.m));
      BarGroup& group = groups[tokens];
      group.title = tokens_text(row.spec.m);
      const double products = 1e-9 * static_cast<double>(row.spec.n * row.spec.k * tokens);
      const Measurement& best = row.entry->best();
      group.bars.push_back(
          {.label = std::string(layout_name(layout.layout)) + "  " + best.generator + " " +
                    plan_name(best.plan),
           .value = products / best.median_s,
           .low = products / best.high_s,
           .high = products / best.low_s,
           .note = fmt::format("({:.0f} %, {})", 100 * row.roofline_s / best.median_s, row.bound),
           .colour = colour_of(layout.layout)});
    }
  }
  BarPlot plot{.title = "The best kernel of every layout",
               .unit = "Gweights/s times tokens (share of the limit, and which)",
               .limit_name = "limit",
               .groups = {}};
  for (auto& [tokens, group] : groups) plot.groups.push_back(std::move(group));
  return plot.groups.empty() ? "" : draw(plot);
}

// The plans of a contest: row tiles and panel width downwards, prefetch distance across, the
// fastest of the other dimensions in every cell.
std::string draw_plans(const TuningRow& row) {
  const ProfileEntry& entry = *row.entry;
  std::map<std::pair<std::string, std::string>, double> least;  // seconds
  std::vector<std::string> rows, columns;
  const auto note = [](std::vector<std::string>& names, const std::string& name) {
    if (std::ranges::find(names, name) == names.end()) names.push_back(name);
  };
  std::vector<Measurement> in_order = entry.measurements;
  std::ranges::sort(in_order, [](const Measurement& a, const Measurement& b) {
    return std::tie(a.generator, a.plan) < std::tie(b.generator, b.plan);
  });
  std::set<int> distances;
  for (const Measurement& each : in_order)
    distances.insert(PanelPlan::from(each.plan).prefetch_bytes);
  for (const int distance : distances)
    columns.push_back(distance == 0 ? "no prefetch" : fmt::format("{} B ahead", distance));
  for (const Measurement& each : in_order) {
    const PanelPlan plan = PanelPlan::from(each.plan);
    std::string name = fmt::format("{} t{}", each.generator, plan.tiles_per_step);
    if (plan.block_k > 0) name += fmt::format(" k{}", plan.block_k);
    note(rows, name);
    const auto column =
        static_cast<size_t>(std::distance(distances.begin(), distances.find(plan.prefetch_bytes)));
    auto [at, fresh] = least.emplace(std::pair(name, columns[column]), each.median_s);
    if (!fresh) at->second = std::min(at->second, each.median_s);
  }
  HeatMap map{
      .title = fmt::format("{}, {}: {} kernels, microseconds a call", layout_name(row.spec.layout),
                           tokens_text(row.spec.m), entry.measurements.size()),
      .rows = rows,
      .columns = columns,
      .cells = {}};
  for (const std::string& name : rows) {
    for (const std::string& column : columns) {
      const auto found = least.find({name, column});
      map.cells.push_back(found == least.end() ? 0 : 1e6 * found->second);
    }
  }
  return draw(map);
}

}  // namespace

std::string tuning_html(const TuningView& view) {
  std::string text =
      fmt::format("<p>Tuned for {} with {} thread{}; layouts chosen for {}.</p>\n", view.target,
                  view.threads, view.threads == 1 ? "" : "s", usage_name(view.usage));
  for (const TuningShape& shape : view.shapes) {
    text += fmt::format("<h2>{}: {}</h2>\n", escape_xml(shape_title(shape.spec)),
                        layout_name(shape.chosen));
    const std::string layouts = draw_layouts(shape);
    if (layouts.empty()) {
      text += "<p>Not tuned yet: <code>bitnetc autotune</code> measures it.</p>\n";
      continue;
    }
    text += layouts + "<details><summary>Every contest</summary>\n";
    for (const TuningLayout& layout : shape.layouts)
      for (const TuningRow& row : layout.rows)
        if (row.entry) text += draw_plans(row);
    text += "</details>\n";
  }
  return text;
}

}  // namespace bitnetc
