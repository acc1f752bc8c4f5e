#include "tools/engine/bench_cost.h"

#include <algorithm>
#include <cmath>

namespace bitnetc {
namespace {

bool same_measurement(const BenchRow& a, const CostLine& b) {
  return a.test.name() == b.test.name() && a.threads == b.threads && a.kind == b.kind;
}

// Least squares over (a + b x - y) / y.
void fit(CostLine& line) {
  double w = 0, wx = 0, wxx = 0, wy = 0, wxy = 0;
  for (const auto& [model, x, y] : line.points) {
    const double weight = 1 / (y * y);
    w += weight;
    wx += weight * x;
    wxx += weight * x * x;
    wy += weight * y;
    wxy += weight * x * y;
  }
  const double determinant = w * wxx - wx * wx;
  line.seconds_per_byte = (w * wxy - wx * wy) / determinant;
  line.fixed_seconds = (wxx * wy - wx * wxy) / determinant;
}

size_t different_bytes(const CostLine& line) {
  size_t count = 0;
  for (size_t i = 0; i < line.points.size(); ++i)
    if (i == 0 || line.points[i].bytes != line.points[i - 1].bytes) ++count;
  return count;
}

}  // namespace

double CostLine::deviation(const CostPoint& point) const {
  return point.seconds / seconds_at(point.bytes) - 1;
}

const CostPoint& CostLine::farthest() const {
  return *std::ranges::max_element(
      points, {}, [&](const CostPoint& point) { return std::abs(deviation(point)); });
}

std::vector<CostLine> cost_lines(std::span<const Bench> models) {
  std::vector<CostLine> lines;
  for (const Bench& model : models) {
    for (const BenchRow& row : model.rows) {
      if (row.bytes_per_token <= 0) continue;
      auto line = std::ranges::find_if(
          lines, [&](const CostLine& each) { return same_measurement(row, each); });
      if (line == lines.end())
        line = lines.insert(
            lines.end(),
            CostLine{.test = row.test, .threads = row.threads, .kind = row.kind, .points = {}});
      line->points.push_back({.model = model.model,
                              .bytes = row.bytes_per_token,
                              .seconds = 1 / row.tokens_per_second()});
    }
  }
  for (CostLine& line : lines) std::ranges::sort(line.points, {}, &CostPoint::bytes);
  std::erase_if(lines,
                [](const CostLine& line) { return different_bytes(line) < kLeastCostPoints; });
  for (CostLine& line : lines) fit(line);
  return lines;
}

}  // namespace bitnetc
