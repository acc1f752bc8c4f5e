#include "tests/scale/covering.h"

#include <algorithm>
#include <cstddef>
#include <map>
#include <set>
#include <tuple>

namespace bitnetc::test {
namespace {

using Row = std::vector<int>;
using Pair = std::tuple<size_t, int, size_t, int>;  // factor and level, twice

// All rows there are, in ascending order.
std::vector<Row> product_of(std::span<const int> levels) {
  std::vector<Row> rows = {Row(levels.size(), 0)};
  for (size_t factor = 0; factor < levels.size(); ++factor) {
    std::vector<Row> longer;
    for (const Row& row : rows)
      for (int level = 0; level < levels[factor]; ++level) {
        longer.push_back(row);
        longer.back()[factor] = level;
      }
    rows = std::move(longer);
  }
  return rows;
}

template <typename Visit>
void each_pair(const Row& row, const Visit& visit) {
  for (size_t a = 0; a < row.size(); ++a)
    for (size_t b = a + 1; b < row.size(); ++b) visit(Pair{a, row[a], b, row[b]});
}

size_t count_missing(const Row& row, const std::set<Pair>& missing) {
  size_t count = 0;
  each_pair(row, [&](const Pair& pair) { count += missing.count(pair); });
  return count;
}

// How often the pairs of a row are in rows that were chosen.
int count_met(const Row& row, const std::map<Pair, int>& met) {
  int count = 0;
  each_pair(row, [&](const Pair& pair) {
    const auto found = met.find(pair);
    if (found != met.end()) count += found->second;
  });
  return count;
}

}  // namespace

// The row that has most of the missing pairs comes next; of equals the one whose pairs have met
// least, so that what need not be repeated is spread.
std::vector<std::vector<int>> covering_rows(std::span<const int> levels) {
  const std::vector<Row> candidates = product_of(levels);
  std::set<Pair> missing;
  for (const Row& row : candidates) each_pair(row, [&](const Pair& pair) { missing.insert(pair); });
  std::map<Pair, int> met;
  std::vector<Row> rows;
  while (!missing.empty()) {
    const Row* best = nullptr;
    size_t most = 0;
    for (const Row& row : candidates) {
      const size_t count = count_missing(row, missing);
      if (count < std::max<size_t>(most, 1)) continue;
      if (count > most || count_met(row, met) < count_met(*best, met)) best = &row, most = count;
    }
    each_pair(*best, [&](const Pair& pair) {
      missing.erase(pair);
      ++met[pair];
    });
    rows.push_back(*best);
  }
  return rows;
}

}  // namespace bitnetc::test
