// What a generated token costs over models of several sizes: a straight line over the bytes that it
// reads, and how far from it the models lie.
#pragma once

#include <span>
#include <string>
#include <vector>

#include "tools/engine/bench.h"

namespace bitnetc {

struct CostPoint {
  std::string model;
  double bytes = 0, seconds = 0;  // of a token
};

// seconds = fixed_seconds + bytes * seconds_per_byte, of one test with one number of threads and
// one kind of kernels.
struct CostLine {
  BenchTest test;
  int threads = 1;
  GeneratorKind kind = GeneratorKind::kGenerated;
  double fixed_seconds = 0, seconds_per_byte = 0;
  std::vector<CostPoint> points;  // ascending in bytes

  double seconds_at(double bytes) const { return fixed_seconds + bytes * seconds_per_byte; }
  // How far a point lies from the line, as a share of the line's seconds there.
  double deviation(const CostPoint& point) const;
  const CostPoint& farthest() const;  // of the greatest deviation
};

// The fewest models that a line could miss.
constexpr size_t kLeastCostPoints = 3;

// Of every test that counts bytes and was measured with at least so many models, of different
// bytes. The sum of squares of relative errors is least, so that small models count as large ones.
std::vector<CostLine> cost_lines(std::span<const Bench> models);

}  // namespace bitnetc
