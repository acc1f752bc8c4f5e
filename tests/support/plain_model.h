// A model run the slow way: a Graph evaluated node by node and token by token as docs/numerics.md
// says, in plain loops of its own. It shares nothing with fusion, packing, kernels and executors
// but the scalar functions of runtime/math.h, so its logits are what every compiled form of the
// graph must give, bit for bit.
#pragma once

#include <cstdint>
#include <functional>
#include <map>
#include <span>
#include <vector>

#include "compiler/graph.h"
#include "runtime/kv_type.h"

namespace bitnetc::test {

struct PlainOptions {
  KvType kv_type = KvType::kF16;  // kF32 rounds nothing
  // Called for every node and token with what the node gives.
  std::function<void(const Node& node, const std::vector<float>& row)> on_value = {};
};

class PlainModel {
 public:
  // `graph` is valid and outlives the model. Throws when a matrix does not load.
  explicit PlainModel(const Graph& graph, PlainOptions options = {});

  // Appends tokens; returns what the model puts out for the last one: logits f32[vocab], or its
  // hidden row.
  std::vector<float> append(std::span<const int32_t> tokens);

 private:
  using Row = std::vector<float>;
  // Rows of keys or values by position: cells [kv_heads * head_dim], as numbers, each of which is a
  // multiple of its head's scale [kv_heads].
  struct Stored {
    std::vector<Row> cells, scales;
  };
  struct Cache {
    Stored keys, values;
  };

  Row evaluate(const Node& node, const std::vector<Row>& values, int32_t token);
  void store(const Row& row, size_t head_dim, Stored& stored) const;
  Row attend(const AttentionAttributes& attributes, const Row& q, const Row& k, const Row& v);
  Row bit_linear(const TernaryMatrix& matrix, const Row& x) const;

  const Graph& graph_;
  const PlainOptions options_;
  std::vector<TernaryMatrix> matrices_;
  std::map<int, Cache> caches_;
  int64_t position_ = 0;
};

}  // namespace bitnetc::test
