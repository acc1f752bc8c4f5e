#include "tools/bitnetc/tuning_report.h"

#include <algorithm>
#include <nlohmann/json.hpp>

#include "runtime/cpu_features.h"
#include "tools/bitnetc/arguments.h"
#include "tools/bitnetc/json_output.h"
#include "tools/engine/machine_plans.h"

namespace bitnetc {
namespace {

using nlohmann::json;

// Numbers of tokens that are shown whether they were measured or not.
constexpr int kShownTokens[] = {1, 2, 4, 8, kAnyM};

std::string tokens_cell(int m) {
  return m == kAnyM ? fmt::format("{}+", kMaxSmallM + 1) : std::to_string(m);
}

double peak_of_best_unit(const MachineLimits& limits) {
  double most = 0;
  for (const auto& [isa, peak] : limits.int8_operations_per_second) most = std::max(most, peak);
  return most;
}

void set_roofline(TuningRow& row, const MachineLimits& limits) {
  const WeightLayout layout = row.spec.weight_layout();
  const double memory_s = static_cast<double>(layout.total_bytes()) / limits.read_bytes_per_second;
  const double operations = 2.0 * static_cast<double>(tuned_tokens(row.spec.m)) *
                            static_cast<double>(row.spec.n) * static_cast<double>(row.spec.k);
  const double peak = peak_of_best_unit(limits);
  const double multiply_s = peak > 0 ? operations / peak : 0;
  row.roofline_s = std::max(memory_s, multiply_s);
  row.bound = memory_s >= multiply_s ? "memory" : "multiply";
}

TuningRow row_of(const MatmulSpec& spec, const MachinePlans& plans, const Target& target,
                 int threads) {
  TuningRow row{.spec = spec, .choice = plans.source().choose(spec, target)};
  const ProfileKey key{.spec = spec, .target = target.name(), .threads = threads};
  if (const ProfileEntry* entry = plans.profile().find(key)) row.entry = *entry;
  return row;
}

// The time of the second, as a share above the winner's.
double margin(const ProfileEntry& entry) {
  if (entry.measurements.size() < 2) return 0;
  return entry.measurements[1].median_s / entry.best().median_s - 1;
}

double weights_per_second(const TuningRow& row) {
  return static_cast<double>(row.spec.n) * static_cast<double>(row.spec.k) / row.seconds();
}

std::string why(const TuningRow& row) {
  if (!row.entry) return std::string(origin_name(row.choice.origin));
  const ProfileEntry& entry = *row.entry;
  if (entry.measurements.size() < 2) return "the only candidate";
  const std::string second =
      fmt::format("{} {}", entry.measurements[1].generator, plan_name(entry.measurements[1].plan));
  if (entry.confidence == Confidence::kTie) return "a tie with " + second;
  return fmt::format("{:.1f} % ahead of {}, {}", 100 * margin(entry), second,
                     confidence_name(entry.confidence));
}

std::string kernel_text(const TuningRow& row) {
  const std::string plan = plan_name(row.choice.plan);
  return row.choice.generator.empty() ? plan : row.choice.generator + " " + plan;
}

std::string row_text(const TuningRow& row) {
  std::string text = fmt::format("  {:<4} {:>3}  {:<44}", layout_name(row.spec.layout),
                                 tokens_cell(row.spec.m), kernel_text(row));
  if (row.entry) {
    text +=
        fmt::format(" {:>9.1f} {:>9.1f} {:>5.1f} % {:<8}", 1e6 * row.seconds(),
                    weights_per_second(row) / 1e9, 100 * row.roofline_s / row.seconds(), row.bound);
    text += row.entry->best().predicted_s > 0
                ? fmt::format(" {:>9.1f}", 1e6 * row.entry->best().predicted_s)
                : fmt::format(" {:>9}", "-");
  } else {
    text += fmt::format(" {:>9} {:>9} {:>7} {:<8} {:>9}", "-", "-", "-", "", "-");
  }
  return text + "  " + why(row) + "\n";
}

std::string candidates_text(const ProfileEntry& entry) {
  std::string text;
  for (const Measurement& each : entry.measurements)
    text += fmt::format(
        "            {:<44} {:>9.1f} ({:.1f} .. {:.1f}) after {} samples, predicted {:.1f}\n",
        each.generator + " " + plan_name(each.plan), 1e6 * each.median_s, 1e6 * each.low_s,
        1e6 * each.high_s, each.samples, 1e6 * each.predicted_s);
  return text;
}

json json_of(const Measurement& each) {
  return {{"generator", each.generator},  {"revision", each.revision},
          {"plan", plan_name(each.plan)}, {"predicted_s", each.predicted_s},
          {"median_s", each.median_s},    {"low_s", each.low_s},
          {"high_s", each.high_s},        {"samples", each.samples}};
}

json json_of(const TuningRow& row) {
  json object = {{"spec", spec_name(row.spec)},        {"tokens", tuned_tokens(row.spec.m)},
                 {"choice", print_choice(row.choice)}, {"origin", origin_name(row.choice.origin)},
                 {"roofline_s", row.roofline_s},       {"bound", row.bound}};
  if (!row.entry) return object;
  object["confidence"] = confidence_name(row.entry->confidence);
  object["measured_at"] = row.entry->measured_at_s;
  object["took_s"] = row.entry->took_s;
  for (const Measurement& each : row.entry->measurements)
    object["candidates"].push_back(json_of(each));
  return object;
}

json json_of(const TuningView& view) {
  json shapes = json::array();
  for (const TuningShape& shape : view.shapes) {
    json object = {{"shape", shape_title(shape.spec)},
                   {"layout", layout_name(shape.chosen)},
                   {"us_per_token", json::object()},
                   {"rows", json::array()}};
    for (const TuningLayout& layout : shape.layouts) {
      if (layout.us_per_token > 0)
        object["us_per_token"][layout_name(layout.layout)] = layout.us_per_token;
      for (const TuningRow& row : layout.rows) object["rows"].push_back(json_of(row));
    }
    shapes.push_back(std::move(object));
  }
  return {{"target", view.target},
          {"threads", view.threads},
          {"usage", usage_name(view.usage)},
          {"read_bytes_per_second", view.limits.read_bytes_per_second},
          {"shapes", std::move(shapes)}};
}

std::string usage_line(const TuningShape& shape, Usage usage) {
  std::vector<const TuningLayout*> known;
  for (const TuningLayout& layout : shape.layouts)
    if (layout.us_per_token > 0) known.push_back(&layout);
  if (known.empty())
    return fmt::format("  for {}: {} (not measured: bitnetc autotune does)\n", usage_name(usage),
                       layout_name(shape.chosen));
  std::ranges::sort(known, {}, &TuningLayout::us_per_token);
  std::vector<std::string> times;
  for (const TuningLayout* layout : known)
    times.push_back(fmt::format("{} {:.1f}", layout_name(layout->layout), layout->us_per_token));
  return fmt::format("  for {}: {}; microseconds a token: {}\n", usage_name(usage),
                     layout_name(shape.chosen), fmt::join(times, ", "));
}

}  // namespace

TuningView tuning_view(const std::vector<MatmulSpec>& shapes, const std::vector<LayoutId>& layouts,
                       const EngineOptions& options) {
  const Target& target = options.settings.target;
  const std::string& cache_dir = options.settings.cache_dir;
  const int threads = options.plan.threads;
  const Usage usage = options.plan.usage;
  const MachinePlans plans(cache_dir, threads, usage, *options.notes);
  TuningView view{.target = target.name(),
                  .threads = threads,
                  .usage = usage,
                  .limits = remembered_limits(cache_dir, threads),
                  .shapes = {}};
  for (const MatmulSpec& spec : shapes) {
    TuningShape shape{
        .spec = spec, .chosen = plans.source().layout_for(spec, target), .layouts = {}};
    for (const LayoutId id : layouts.empty()
                                 ? std::vector<LayoutId>(std::begin(kLayouts), std::end(kLayouts))
                                 : layouts) {
      MatmulSpec each = spec;
      each.layout = id;
      TuningLayout layout{
          .layout = id,
          .us_per_token =
              1e6 * seconds_per_token(plans.profile(), each, target, threads, usage).value_or(0),
          .rows = {}};
      for (const int m : kShownTokens) {
        each.m = m;
        layout.rows.push_back(row_of(each, plans, target, threads));
        set_roofline(layout.rows.back(), view.limits);
      }
      shape.layouts.push_back(std::move(layout));
    }
    view.shapes.push_back(std::move(shape));
  }
  return view;
}

std::string tuning_text(const TuningView& view, bool all) {
  std::string text =
      fmt::format("{} with {} thread{}: {:.1f} GB/s from memory, {:.0f} Gop/s\n", view.target,
                  view.threads, view.threads == 1 ? "" : "s",
                  view.limits.read_bytes_per_second / 1e9, peak_of_best_unit(view.limits) / 1e9);
  for (const TuningShape& shape : view.shapes) {
    text += fmt::format("\n{}\n{}", shape_title(shape.spec), usage_line(shape, view.usage));
    text += fmt::format("  {:<4} {:>3}  {:<44} {:>9} {:>9} {:>16} {:>9}  {}\n", "", "M", "kernel",
                        "us", "Gw/s", "of the limit by", "predicted", "why");
    for (const TuningLayout& layout : shape.layouts) {
      for (const TuningRow& row : layout.rows) {
        text += row_text(row);
        if (all && row.entry) text += candidates_text(*row.entry);
      }
    }
  }
  return text;
}

void write_tuning_json(const std::vector<TuningView>& views) {
  json all = json::array();
  for (const TuningView& view : views) all.push_back(json_of(view));
  write_json("tuning", 1, {{"views", std::move(all)}});
}

}  // namespace bitnetc
