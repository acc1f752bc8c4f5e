// The model as mathematics: operations on shaped values, no machine in sight. A frontend builds one; the
// compiler reads it. Weights are not held here but fetched one at a time through their sources, so the
// peak memory of a compilation is one matrix, not one model.
#pragma once

#include <cstdint>
#include <functional>
#include <memory>
#include <span>
#include <string>
#include <vector>

#include "runtime/float_type.h"
#include "runtime/model_config.h"
#include "runtime/status.h"

namespace bitnetc {

// A ternary matrix in canonical form: W = scale * trits, [n][k] row-major, each trit -1, 0 or +1.
// `scale` is always the factor to multiply by.
struct TernaryMatrix {
  int64_t n = 0, k = 0;
  std::vector<int8_t> trits;
  float scale = 0;
};

struct TernarySource {
  std::string name;  // "model.layers.0.self_attn.q_proj"
  int64_t n = 0, k = 0;
  std::function<Result<TernaryMatrix>()> load;
};

// A float table at its stored precision, [rows][columns] row-major; may point into a mapped file.
struct FloatTable {
  std::string name;
  FloatType type = FloatType::kBf16;
  int64_t rows = 0, columns = 0;
  std::span<const uint8_t> bytes;
  std::shared_ptr<const void> owner;
};

// A norm weight, widened exactly to fp32.
struct FloatVector {
  std::string name;
  std::vector<float> values;
};

enum class GraphOp {
  kEmbed,      // ()            -> [hidden]      table
  kRmsNorm,    // (x)           -> [same]        vector, eps
  kBitLinear,  // (x)           -> [n]           ternary; quantises its input per token
  kRope,       // (x)           -> [same]        heads x head_dim, rotate-half
  kAttention,  // (q, k, v)     -> [q_heads * head_dim]   causal, appends k and v to the cache
  kRelu2Mul,   // (gate, up)    -> [same]        relu(gate)^2 * up
  kAdd,        // (a, b)        -> [same]
  kHead,       // (x)           -> [vocab]       table; full-precision dot products
};
const char* graph_op_name(GraphOp op);

using ValueId = int;

struct Node {
  GraphOp op;
  std::string name;  // "layers.0.attn_sub_norm", for messages and taps
  std::vector<ValueId> inputs;
  ValueId output = -1;
  int weight = -1;  // index into Graph::{tables, vectors, ternary}, by op
  int layer = -1;
  float eps = 0;  // kRmsNorm
};

struct Graph {
  ModelConfig config;
  GenerationDefaults generation;
  std::string tokenizer_json;  // the file's bytes
  std::string chat_template;   // from tokenizer_config.json, may be empty
  std::vector<SourceFile> sources;

  std::vector<Node> nodes;             // in execution order
  std::vector<int64_t> value_columns;  // by ValueId
  std::vector<FloatTable> tables;
  std::vector<FloatVector> vectors;
  std::vector<TernarySource> ternary;

  ValueId add_value(int64_t columns) {
    value_columns.push_back(columns);
    return static_cast<ValueId>(value_columns.size()) - 1;
  }
};

// Checks that every reference is in range, every value is defined before use and all shapes agree.
// Error: kDataCorrupt naming the node, the operand and the shapes.
Status validate(const Graph& graph);

}  // namespace bitnetc
