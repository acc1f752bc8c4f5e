// A model run the slow way: a Graph evaluated node by node and token by token as docs/numerics.md
// says, in plain loops of its own. It shares nothing with fusion, packing, kernels and executors
// but the scalar functions of runtime/math.h, so its logits are what every compiled form of the
// graph must give, bit for bit.
#pragma once

#include <cstdint>
#include <map>
#include <span>
#include <vector>

#include "compiler/graph.h"

namespace bitnetc::test {

class PlainModel {
 public:
  // `graph` is valid and outlives the model. Throws when a matrix does not load.
  explicit PlainModel(const Graph& graph);

  // Appends tokens; returns the logits of the last one, f32[vocab].
  std::vector<float> append(std::span<const int32_t> tokens);

 private:
  using Row = std::vector<float>;
  struct Cache {
    std::vector<Row> keys, values;  // by position: [kv_heads * head_dim], rounded to fp16
  };

  Row evaluate(const Node& node, const std::vector<Row>& values, int32_t token);
  Row attend(const AttentionAttributes& attributes, const Row& q, const Row& k, const Row& v);
  Row bit_linear(const TernaryMatrix& matrix, const Row& x) const;

  const Graph& graph_;
  std::vector<TernaryMatrix> matrices_;
  std::map<int, Cache> caches_;
  int64_t position_ = 0;
};

}  // namespace bitnetc::test
