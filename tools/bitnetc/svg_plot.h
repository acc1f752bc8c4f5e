// Plots as inline SVG: horizontal bars in groups that each have a limit, lines over a logarithmic
// axis, dots over two, and numbers on a grid. Text is escaped here; the page supplies the font.
#pragma once

#include <string>
#include <vector>

namespace bitnetc {

std::string escape_xml(const std::string& text);

struct Bar {
  std::string label;
  double value = 0, low = 0, high = 0;  // low and high: the quartiles, drawn as a whisker
  std::string note;                     // behind the value: "81 % of the limit"
  std::string colour;
  bool pale = false;
};
struct BarGroup {
  std::string title;
  std::vector<Bar> bars;
  double limit = 0;  // 0: none
};
struct BarPlot {
  std::string title, unit, limit_name;
  std::vector<BarGroup> groups;
};
std::string draw(const BarPlot& plot);

struct Series {
  std::string name, colour;
  bool dashed = false;
  std::vector<std::pair<double, double>> points;  // ascending in x
};
struct Level {  // a horizontal line: a limit
  std::string name;
  double value = 0;
};
struct LinePlot {
  std::string title, x_name, unit;
  std::vector<Series> series;
  std::vector<Level> levels;
};
std::string draw(const LinePlot& plot);

// Dots over two logarithmic axes, and a line through them.
struct ScatterSeries {
  std::string name, colour;
  std::vector<std::pair<double, double>> points, line;  // positive; the line ascending in x
};
struct ScatterPlot {
  std::string title, x_name, unit;
  std::vector<ScatterSeries> series;  // at least one, with a point
};
std::string draw(const ScatterPlot& plot);

// Numbers on a grid, small ones dark: the less the better.
struct HeatMap {
  std::string title;
  std::vector<std::string> rows, columns;
  std::vector<double> cells;  // row by row; 0: none
};
std::string draw(const HeatMap& map);

}  // namespace bitnetc
