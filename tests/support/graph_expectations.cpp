#include "tests/support/graph_expectations.h"

#include <gtest/gtest.h>

#include <bit>

#include "runtime/math.h"

namespace bitnetc::test {
namespace {

std::vector<uint32_t> value_bits(const FloatTable& table) {
  std::vector<float> values(static_cast<size_t>(table.rows * table.columns));
  math::widen(table.type, table.bytes.data(), table.rows * table.columns, values.data());
  std::vector<uint32_t> bits;
  for (const float value : values) bits.push_back(std::bit_cast<uint32_t>(value));
  return bits;
}

void expect_same_ternary(const TernarySource& a, const TernarySource& b) {
  EXPECT_EQ(a.name, b.name);
  const auto x = a.load(), y = b.load();
  ASSERT_TRUE(x.ok()) << x.status().message();
  ASSERT_TRUE(y.ok()) << y.status().message();
  EXPECT_EQ(x->n, y->n);
  EXPECT_EQ(x->k, y->k);
  EXPECT_TRUE(x->trits == y->trits) << a.name;
  EXPECT_EQ(x->scales.kind, y->scales.kind);
  ASSERT_EQ(x->scales.values.size(), y->scales.values.size());
  for (size_t i = 0; i < x->scales.values.size(); ++i)
    EXPECT_EQ(std::bit_cast<uint32_t>(x->scales.values[i]),
              std::bit_cast<uint32_t>(y->scales.values[i]))
        << a.name;
}

}  // namespace

void expect_same_graph(const Graph& a, const Graph& b) {
  ASSERT_EQ(a.nodes.size(), b.nodes.size());
  for (size_t i = 0; i < a.nodes.size(); ++i) {
    EXPECT_EQ(a.nodes[i].op, b.nodes[i].op) << a.nodes[i].name;
    EXPECT_EQ(a.nodes[i].name, b.nodes[i].name);
    EXPECT_EQ(a.nodes[i].inputs, b.nodes[i].inputs) << a.nodes[i].name;
    EXPECT_EQ(a.nodes[i].weight, b.nodes[i].weight) << a.nodes[i].name;
    EXPECT_TRUE(a.nodes[i].attributes == b.nodes[i].attributes) << a.nodes[i].name;
  }
  ASSERT_EQ(a.tables.size(), b.tables.size());
  for (size_t i = 0; i < a.tables.size(); ++i) {
    EXPECT_EQ(a.tables[i].name, b.tables[i].name);
    EXPECT_TRUE(value_bits(a.tables[i]) == value_bits(b.tables[i])) << a.tables[i].name;
  }
  ASSERT_EQ(a.vectors.size(), b.vectors.size());
  for (size_t i = 0; i < a.vectors.size(); ++i) {
    EXPECT_EQ(a.vectors[i].name, b.vectors[i].name);
    EXPECT_EQ(a.vectors[i].values, b.vectors[i].values) << a.vectors[i].name;
  }
  ASSERT_EQ(a.ternary.size(), b.ternary.size());
  for (size_t i = 0; i < a.ternary.size(); ++i) expect_same_ternary(a.ternary[i], b.ternary[i]);
}

}  // namespace bitnetc::test
