#include "tools/bitnetc/svg_plot.h"

#include <fmt/format.h>

#include <algorithm>
#include <cmath>
#include <set>

namespace bitnetc {
namespace {

constexpr char kInk[] = "#222", kFaint[] = "#777", kGrid[] = "#e4e4e4", kLimit[] = "#c0392b";
constexpr double kTextHeight = 12;

// "0", "12.5", "1200": as few digits as tell ticks apart.
std::string number(double value) {
  return value >= 100 ? fmt::format("{:.0f}", value) : fmt::format("{:.3g}", value);
}

struct TextStyle {
  const char* anchor = "start";
  const char* colour = kInk;
  bool bold = false;
};

// Collects elements; coordinates in pixels, y downwards.
class Canvas {
 public:
  void rectangle(double x, double y, double width, double height, const std::string& colour,
                 double opacity) {
    add("<rect x=\"{:.1f}\" y=\"{:.1f}\" width=\"{:.1f}\" height=\"{:.1f}\" fill=\"{}\" "
        "fill-opacity=\"{}\"/>",
        x, y, std::max(width, 0.5), height, colour, opacity);
  }
  void line(double x1, double y1, double x2, double y2, const std::string& colour, double width = 1,
            const char* dashes = "none") {
    add("<line x1=\"{:.1f}\" y1=\"{:.1f}\" x2=\"{:.1f}\" y2=\"{:.1f}\" stroke=\"{}\" "
        "stroke-width=\"{}\" stroke-dasharray=\"{}\"/>",
        x1, y1, x2, y2, colour, width, dashes);
  }
  void text(double x, double y, const std::string& words, const TextStyle& style = {}) {
    add("<text x=\"{:.1f}\" y=\"{:.1f}\" text-anchor=\"{}\" fill=\"{}\" "
        "font-weight=\"{}\">{}</text>",
        x, y, style.anchor, style.colour, style.bold ? "600" : "400", escape_xml(words));
  }
  void dot(double x, double y, const std::string& colour) {
    add("<circle cx=\"{:.1f}\" cy=\"{:.1f}\" r=\"3\" fill=\"{}\"/>", x, y, colour);
  }
  std::string finish(double width, double height, const std::string& title) const {
    return fmt::format(
        "<svg xmlns=\"http://www.w3.org/2000/svg\" role=\"img\" aria-label=\"{0}\" "
        "width=\"{1:.0f}\" "
        "height=\"{2:.0f}\" viewBox=\"0 0 {1:.0f} {2:.0f}\">\n{3}</svg>\n",
        escape_xml(title), width, height, elements_);
  }

 private:
  template <typename... Args>
  void add(fmt::format_string<Args...> format, Args&&... args) {
    fmt::format_to(std::back_inserter(elements_), format, std::forward<Args>(args)...);
    elements_ += '\n';
  }
  std::string elements_;
};

// A step of 1, 2 or 5 times a power of ten that cuts `most` into four to ten parts.
double tick_step(double most) {
  const double power = std::pow(10, std::floor(std::log10(most / 4)));
  for (const double factor : {5.0, 2.0})
    if (factor * power <= most / 4) return factor * power;
  return power;
}

double top_of(double most) {
  if (most <= 0) return 1;
  const double step = tick_step(most);
  return std::ceil(most * 1.02 / step) * step;
}

double largest(const BarPlot& plot) {
  double most = 0;
  for (const BarGroup& group : plot.groups) {
    most = std::max(most, group.limit);
    for (const Bar& bar : group.bars) most = std::max(most, bar.value);
  }
  return most;
}

double largest(const LinePlot& plot) {
  double most = 0;
  for (const Level& level : plot.levels) most = std::max(most, level.value);
  for (const Series& series : plot.series)
    for (const auto& [x, y] : series.points) most = std::max(most, y);
  return most;
}

// Room for labels on the left and for values and notes behind the longest bar.
struct BarGeometry {
  static constexpr double kLeft = 300, kPlot = 420, kRight = 160, kTop = 30, kBottom = 44;
  static constexpr double kRow = 20, kBar = 13, kGroupTitle = 22, kGroupGap = 6;
  double top;  // value at the right end

  double x(double value) const { return kLeft + kPlot * std::min(value, top) / top; }
  static double height(const BarPlot& plot) {
    double rows = kTop + kBottom;
    for (const BarGroup& group : plot.groups)
      rows += kGroupTitle + kGroupGap + kRow * static_cast<double>(group.bars.size());
    return rows;
  }
};

void draw_bar(Canvas& canvas, const BarGeometry& at, const Bar& bar, double y) {
  const double middle = y + BarGeometry::kRow / 2, end = at.x(bar.value);
  canvas.text(BarGeometry::kLeft - 8, middle + 4, bar.label, {.anchor = "end"});
  canvas.rectangle(BarGeometry::kLeft, middle - BarGeometry::kBar / 2, end - BarGeometry::kLeft,
                   BarGeometry::kBar, bar.colour, bar.pale ? 0.4 : 0.9);
  canvas.line(at.x(bar.low), middle, at.x(bar.high), middle, kInk);
  // A column of its own: behind the bar the limit would cross it.
  canvas.text(BarGeometry::kLeft + BarGeometry::kPlot + 14, middle + 4,
              bar.note.empty() ? number(bar.value) : number(bar.value) + "  " + bar.note);
}

}  // namespace

std::string escape_xml(const std::string& text) {
  std::string escaped;
  for (const char c : text) {
    switch (c) {
      case '&': escaped += "&amp;"; break;
      case '<': escaped += "&lt;"; break;
      case '>': escaped += "&gt;"; break;
      case '"': escaped += "&quot;"; break;
      default: escaped += c;
    }
  }
  return escaped;
}

std::string draw(const BarPlot& plot) {
  using G = BarGeometry;
  const G at{top_of(largest(plot))};
  const double height = G::height(plot), bottom = height - G::kBottom;
  Canvas canvas;
  canvas.text(0, kTextHeight + 2, plot.title, {.bold = true});
  const double step = tick_step(at.top);
  for (double tick = 0; tick <= at.top * 1.001; tick += step) {
    canvas.line(at.x(tick), G::kTop, at.x(tick), bottom, kGrid);
    canvas.text(at.x(tick), bottom + 16, number(tick), {.anchor = "middle", .colour = kFaint});
  }
  canvas.text(G::kLeft + G::kPlot / 2, bottom + 34, plot.unit,
              {.anchor = "middle", .colour = kFaint});
  double y = G::kTop;
  for (const BarGroup& group : plot.groups) {
    canvas.text(G::kLeft - 8, y + 16, group.title, {.anchor = "end", .colour = kFaint});
    const double first = y + G::kGroupTitle;
    y = first;
    for (const Bar& bar : group.bars) {
      draw_bar(canvas, at, bar, y);
      y += G::kRow;
    }
    if (group.limit > 0) {
      canvas.line(at.x(group.limit), first - 4, at.x(group.limit), y + 2, kLimit, 2, "5 3");
      canvas.text(at.x(group.limit), first - 7,
                  fmt::format("{} {}", plot.limit_name, number(group.limit)),
                  {.anchor = "end", .colour = kLimit});
    }
    y += G::kGroupGap;
  }
  return canvas.finish(G::kLeft + G::kPlot + G::kRight, height, plot.title);
}

namespace {

struct LineGeometry {
  static constexpr double kLeft = 60, kPlotWidth = 500, kPlotHeight = 300, kTop = 34;
  static constexpr double kLegend = 240, kBottom = 48;
  double top, first_log, last_log;

  double x(double value) const {
    const double span = std::max(last_log - first_log, 1e-9);
    return kLeft + 16 + (kPlotWidth - 32) * (std::log2(value) - first_log) / span;
  }
  double y(double value) const { return kTop + kPlotHeight * (1 - value / top); }
};

void draw_axes(Canvas& canvas, const LineGeometry& at, const LinePlot& plot,
               const std::set<double>& xs) {
  using G = LineGeometry;
  const double bottom = G::kTop + G::kPlotHeight, right = G::kLeft + G::kPlotWidth;
  const double step = tick_step(at.top);
  for (double tick = 0; tick <= at.top * 1.001; tick += step) {
    canvas.line(G::kLeft, at.y(tick), right, at.y(tick), kGrid);
    canvas.text(G::kLeft - 8, at.y(tick) + 4, number(tick), {.anchor = "end", .colour = kFaint});
  }
  for (const double x : xs) {
    canvas.line(at.x(x), bottom, at.x(x), bottom + 4, kFaint);
    canvas.text(at.x(x), bottom + 18, number(x), {.anchor = "middle", .colour = kFaint});
  }
  canvas.text(G::kLeft + G::kPlotWidth / 2, bottom + 38, plot.x_name,
              {.anchor = "middle", .colour = kFaint});
  canvas.text(0, kTextHeight + 2, fmt::format("{}, {}", plot.title, plot.unit), {.bold = true});
}

// Names stand above their lines, but below where the next line is too close.
void draw_levels(Canvas& canvas, const LineGeometry& at, const LinePlot& plot) {
  const double right = LineGeometry::kLeft + LineGeometry::kPlotWidth;
  for (const Level& level : plot.levels) {
    const double y = at.y(level.value);
    const bool is_close = std::any_of(plot.levels.begin(), plot.levels.end(), [&](const Level& o) {
      return at.y(o.value) < y && at.y(o.value) > y - 2 * kTextHeight;
    });
    canvas.line(LineGeometry::kLeft, y, right, y, kLimit, 1.5, "5 3");
    canvas.text(LineGeometry::kLeft + 6, is_close ? y + kTextHeight + 2 : y - 5,
                fmt::format("{} {}", level.name, number(level.value)), {.colour = kLimit});
  }
}

void draw_series(Canvas& canvas, const LineGeometry& at, const LinePlot& plot) {
  double legend_y = LineGeometry::kTop + kTextHeight;
  const double legend_x = LineGeometry::kLeft + LineGeometry::kPlotWidth + 16;
  for (const Series& series : plot.series) {
    const char* dashes = series.dashed ? "6 4" : "none";
    for (size_t i = 0; i < series.points.size(); ++i) {
      const auto& [x, y] = series.points[i];
      if (i > 0)
        canvas.line(at.x(series.points[i - 1].first), at.y(series.points[i - 1].second), at.x(x),
                    at.y(y), series.colour, 2, dashes);
      canvas.dot(at.x(x), at.y(y), series.colour);
    }
    canvas.line(legend_x, legend_y - 4, legend_x + 28, legend_y - 4, series.colour, 2, dashes);
    canvas.dot(legend_x + 14, legend_y - 4, series.colour);
    canvas.text(legend_x + 36, legend_y, series.name);
    legend_y += 20;
  }
}

}  // namespace

std::string draw(const LinePlot& plot) {
  using G = LineGeometry;
  std::set<double> xs;
  for (const Series& series : plot.series)
    for (const auto& [x, y] : series.points) xs.insert(x);
  if (xs.empty()) xs.insert(1);
  const G at{top_of(largest(plot)), std::log2(*xs.begin()), std::log2(*xs.rbegin())};
  Canvas canvas;
  draw_axes(canvas, at, plot, xs);
  draw_levels(canvas, at, plot);
  draw_series(canvas, at, plot);
  return canvas.finish(G::kLeft + G::kPlotWidth + G::kLegend, G::kTop + G::kPlotHeight + G::kBottom,
                       plot.title);
}

namespace {

// Both ends at a 1, 2 or 5 times a power of ten.
class LogAxis {
 public:
  LogAxis(double least, double most, double from, double to) : from_(from), to_(to) {
    for (int power = static_cast<int>(std::floor(std::log10(least)));
         ticks_.size() < 2 || ticks_.back() < most; ++power)
      for (const double factor : {1.0, 2.0, 5.0})
        if (ticks_.size() < 2 || ticks_.back() < most)
          add_tick(factor * std::pow(10, power), least);
  }
  const std::vector<double>& ticks() const { return ticks_; }
  double at(double value) const {
    const double span = std::log(ticks_.back() / ticks_.front());
    return from_ + (to_ - from_) * std::log(value / ticks_.front()) / span;
  }

 private:
  // The first tick is the greatest one that is not above `least`.
  void add_tick(double tick, double least) {
    if (tick <= least) ticks_.clear();
    ticks_.push_back(tick);
  }

  const double from_, to_;
  std::vector<double> ticks_;
};

void draw_series(Canvas& canvas, const LogAxis& x, const LogAxis& y, const ScatterSeries& series) {
  for (size_t i = 1; i < series.line.size(); ++i) {
    const auto& [x1, y1] = series.line[i - 1];
    const auto& [x2, y2] = series.line[i];
    if (std::min(y1, y2) < y.ticks().front() || std::max(y1, y2) > y.ticks().back()) continue;
    canvas.line(x.at(x1), y.at(y1), x.at(x2), y.at(y2), series.colour, 1.5);
  }
  for (const auto& [px, py] : series.points) canvas.dot(x.at(px), y.at(py), series.colour);
}

}  // namespace

std::string draw(const ScatterPlot& plot) {
  using G = LineGeometry;
  const auto& first = plot.series.front().points.front();
  double left = first.first, right = left, low = first.second, high = low;
  for (const ScatterSeries& series : plot.series)
    for (const auto& [x, y] : series.points) {
      left = std::min(left, x), right = std::max(right, x);
      low = std::min(low, y), high = std::max(high, y);
    }
  const double bottom = G::kTop + G::kPlotHeight, end = G::kLeft + G::kPlotWidth;
  const LogAxis x(left, right, G::kLeft, end), y(low, high, bottom, G::kTop);
  Canvas canvas;
  canvas.text(0, kTextHeight + 2, fmt::format("{}, {}", plot.title, plot.unit), {.bold = true});
  for (const double tick : x.ticks()) {
    canvas.line(x.at(tick), G::kTop, x.at(tick), bottom, kGrid);
    canvas.text(x.at(tick), bottom + 18, number(tick), {.anchor = "middle", .colour = kFaint});
  }
  for (const double tick : y.ticks()) {
    canvas.line(G::kLeft, y.at(tick), end, y.at(tick), kGrid);
    canvas.text(G::kLeft - 8, y.at(tick) + 4, number(tick), {.anchor = "end", .colour = kFaint});
  }
  canvas.text((G::kLeft + end) / 2, bottom + 38, plot.x_name,
              {.anchor = "middle", .colour = kFaint});
  double legend_y = G::kTop + kTextHeight;
  for (const ScatterSeries& series : plot.series) {
    draw_series(canvas, x, y, series);
    canvas.dot(end + 30, legend_y - 4, series.colour);
    canvas.text(end + 42, legend_y, series.name);
    legend_y += 20;
  }
  return canvas.finish(end + G::kLegend, bottom + G::kBottom, plot.title);
}

std::string draw(const HeatMap& map) {
  constexpr double kLeft = 300, kTop = 48, kCellWidth = 96, kCellHeight = 22;
  double least = 0;
  for (const double cell : map.cells)
    if (cell > 0) least = least == 0 ? cell : std::min(least, cell);
  Canvas canvas;
  canvas.text(0, kTextHeight + 2, map.title, {.bold = true});
  for (size_t c = 0; c < map.columns.size(); ++c)
    canvas.text(kLeft + kCellWidth * (static_cast<double>(c) + 0.5), kTop - 6, map.columns[c],
                {.anchor = "middle", .colour = kFaint});
  for (size_t r = 0; r < map.rows.size(); ++r) {
    const double y = kTop + kCellHeight * static_cast<double>(r);
    canvas.text(kLeft - 8, y + 15, map.rows[r], {.anchor = "end"});
    for (size_t c = 0; c < map.columns.size(); ++c) {
      const double cell = map.cells[r * map.columns.size() + c];
      if (cell <= 0) continue;
      // Full colour for the least, none from twice the least on.
      const double strength = std::clamp(2 - cell / least, 0.04, 1.0);
      const double x = kLeft + kCellWidth * static_cast<double>(c);
      canvas.rectangle(x + 1, y + 1, kCellWidth - 2, kCellHeight - 2, "#2e8b62", strength);
      canvas.text(
          x + kCellWidth / 2, y + 15, number(cell),
          {.anchor = "middle", .colour = strength > 0.6 ? "#fff" : kInk, .bold = cell == least});
    }
  }
  return canvas.finish(kLeft + kCellWidth * static_cast<double>(map.columns.size()) + 8,
                       kTop + kCellHeight * static_cast<double>(map.rows.size()) + 8, map.title);
}

}  // namespace bitnetc
