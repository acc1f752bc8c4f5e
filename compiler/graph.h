// The model as mathematics: operations on shaped values, no machine in sight. A frontend builds
// one; the compiler reads it. Every number an operation needs stands in its node's attributes, so
// two layers may differ. Weights are not held here but fetched one at a time through their sources,
// so the peak memory of a compilation is one matrix, not one model.
#pragma once

#include <cstdint>
#include <functional>
#include <map>
#include <memory>
#include <span>
#include <string>
#include <variant>
#include <vector>

#include "runtime/float_type.h"
#include "runtime/model_config.h"
#include "runtime/status.h"

namespace bitnetc {

// The factors that make weights of trits; always to multiply by.
struct Scales {
  enum class Kind {
    kTensor,  // values[0] for the whole matrix
    kRow,     // values[n]
    kGroup,   // values[n * groups + k / group], groups = ceil(columns / group)
  };
  Kind kind = Kind::kTensor;
  std::vector<float> values;
  int64_t group = 0;  // kGroup: columns that share a factor

  static Scales of_tensor(float scale) { return {.kind = Kind::kTensor, .values = {scale}}; }
};

// A ternary matrix in canonical form: W = scale * trits, [n][k] row-major, each trit -1, 0 or +1.
struct TernaryMatrix {
  int64_t n = 0, k = 0;
  std::vector<int8_t> trits;
  Scales scales;
};
// That trits and scales are as many as the shape says and each scale is a positive number; the
// trits themselves are not looked at.
// Error: kDataCorrupt naming `name`, what was found and what was expected.
Status validate(const TernaryMatrix& matrix, const std::string& name);

struct TernarySource {
  std::string name;  // "model.layers.0.self_attn.q_proj"
  int64_t n = 0, k = 0;
  std::function<Result<TernaryMatrix>()> load;
  // Where it lies, for messages, if its file has another name for it:
  // "model.gguf: tensor blk.0.attn_q.weight".
  std::string origin = {};

  // What messages call it.
  const std::string& label() const { return origin.empty() ? name : origin; }
};
// The matrix, checked: it is what the source says, and has one scale. `no_more`: what becomes of
// another one, for the message ("has no kernel yet").
// Error: the source's; kDataCorrupt as above, or for another shape; kUnsupported for more scales.
Result<TernaryMatrix> load_with_one_scale(const TernarySource& source, std::string_view no_more);

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
  // clang-format off
  //              inputs        output        weight    attributes
  kEmbed,      // ()         -> [hidden]      table     EmbedAttributes
  kRmsNorm,    // (x)        -> [same]        vector    NormAttributes
  kBitLinear,  // (x)        -> [n]           ternary             quantises its input per token
  kRope,       // (x)        -> [same]                  RopeAttributes
  kAttention,  // (q, k, v)  -> [q heads * head_dim]    AttentionAttributes; appends k, v to a cache
  kGlu,        // (gate, up) -> [same]                  GluAttributes
  kAdd,        // (a, b)     -> [same]
  kHead,       // (x)        -> [vocab]       table               full-precision dot products
  // clang-format on
};
const char* graph_op_name(GraphOp op);

// What the row of the table is multiplied with.
struct EmbedAttributes {
  float scale = 1;
  bool operator==(const EmbedAttributes&) const = default;
};

// Each of the row's `heads` equal parts is normed by itself, all with the same weight.
struct NormAttributes {
  float eps = 0;  // added to the mean of the squares
  int64_t heads = 1;
  bool operator==(const NormAttributes&) const = default;
};

// Rotate-half RoPE: element i and i + head_dim / 2 of a head turn by position * theta^(-2i /
// head_dim), or what scaling makes of that.
struct RopeAttributes {
  int64_t heads = 0, head_dim = 0;
  double theta = 0;
  RopeScaling scaling = {};
  bool operator==(const RopeAttributes&) const = default;
};

// Causal softmax attention; q_heads / kv_heads query heads share a key head.
struct AttentionAttributes {
  int64_t q_heads = 0, kv_heads = 0, head_dim = 0;
  int64_t window = 0;  // positions a query sees, its own included; 0: all
  float scale = 0;     // of q k^T
  int cache = -1;      // which of the model's caches its keys and values go to
  bool operator==(const AttentionAttributes&) const = default;
};

// y = activation(gate) * up
enum class Activation {
  kRelu2,  // relu(x)^2
  kSilu,   // x / (1 + exp(-x))
  kGelu,   // the tanh form
};
const char* activation_name(Activation activation);  // "relu2", "silu", "gelu"
struct GluAttributes {
  Activation activation = Activation::kRelu2;
  bool operator==(const GluAttributes&) const = default;
};

// monostate: the operation has none.
using Attributes = std::variant<std::monostate, EmbedAttributes, NormAttributes, RopeAttributes,
                                AttentionAttributes, GluAttributes>;

using ValueId = int;

struct Node {
  GraphOp op;
  std::string name;  // "layers.0.attn_sub_norm", for messages and taps
  std::vector<ValueId> inputs;
  ValueId output = -1;
  int weight = -1;  // index into Graph::{tables, vectors, ternary}, by op
  int layer = -1;   // for names and taps; -1: outside the layers
  Attributes attributes = {};
};

struct Graph {
  // Describes the model to people. The compiler takes vocabulary, layers and context length from
  // it; what an operation computes with stands in the nodes, and validate() refuses a
  // contradiction.
  ModelConfig config;
  GenerationDefaults generation;
  std::string tokenizer_json;  // the bytes of tokenizer.json, or of tokenizer.model
  std::string chat_template;   // Jinja, may be empty
  std::map<std::string, std::string> special_tokens;  // "eos_token" -> its text, for the template
  EncoderDefaults encoder;                            // of a text encoder
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

// Checks that every reference is in range, every value is defined before use, every node has the
// attributes of its operation and all shapes agree.
// Error: kDataCorrupt naming the node, the operand or attribute, its value and what was expected.
Status validate(const Graph& graph);

}  // namespace bitnetc
