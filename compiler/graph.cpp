#include "compiler/graph.h"

#include <cmath>
#include <iterator>
#include <optional>
#include <set>

namespace bitnetc {

const char* graph_op_name(GraphOp op) {
  switch (op) {
    case GraphOp::kEmbed: return "embed";
    case GraphOp::kRmsNorm: return "rms_norm";
    case GraphOp::kBitLinear: return "bit_linear";
    case GraphOp::kRope: return "rope";
    case GraphOp::kAttention: return "attention";
    case GraphOp::kGlu: return "glu";
    case GraphOp::kAdd: return "add";
    case GraphOp::kHead: return "head";
  }
  return "?";
}

const char* activation_name(Activation activation) {
  switch (activation) {
    case Activation::kRelu2: return "relu2";
    case Activation::kSilu: return "silu";
    case Activation::kGelu: return "gelu";
  }
  return "?";
}

namespace {

// The product of two sizes, or nothing when either is negative or the product leaves int64.
std::optional<int64_t> checked_product(int64_t a, int64_t b) {
  int64_t product = 0;
  if (a < 0 || b < 0 || __builtin_mul_overflow(a, b, &product)) return std::nullopt;
  return product;
}

size_t input_count(GraphOp op) {
  switch (op) {
    case GraphOp::kEmbed: return 0;
    case GraphOp::kRmsNorm:
    case GraphOp::kBitLinear:
    case GraphOp::kRope:
    case GraphOp::kHead: return 1;
    case GraphOp::kGlu:
    case GraphOp::kAdd: return 2;
    case GraphOp::kAttention: return 3;
  }
  return 0;
}

Status validate_config(const ModelConfig& config) {
  const struct {
    const char* name;
    int64_t value;
  } sizes[] = {
      {"vocab_size", config.vocab_size}, {"hidden_size", config.hidden_size},
      {"layers", config.layers},         {"intermediate_size", config.intermediate_size},
      {"q_heads", config.q_heads},       {"kv_heads", config.kv_heads},
      {"head_dim", config.head_dim},     {"max_positions", config.max_positions},
  };
  for (const auto& size : sizes)
    if (size.value <= 0)
      return make_error(StatusCode::kDataCorrupt, "config: {} = {}, expected at least 1", size.name,
                        size.value);
  return {};
}

Status validate_weights(const Graph& graph) {
  for (const FloatTable& table : graph.tables) {
    const auto elements = checked_product(table.rows, table.columns);
    const auto bytes =
        elements ? checked_product(*elements, float_type_bytes(table.type)) : std::nullopt;
    if (!bytes || table.bytes.size() != static_cast<uint64_t>(*bytes))
      return make_error(StatusCode::kDataCorrupt, "table {}: {} bytes do not hold {} [{}, {}]",
                        table.name, table.bytes.size(), float_type_name(table.type), table.rows,
                        table.columns);
  }
  for (const TernarySource& source : graph.ternary) {
    if (source.n <= 0 || source.k <= 0)
      return make_error(StatusCode::kDataCorrupt, "ternary matrix {}: shape [{}, {}] is empty",
                        source.name, source.n, source.k);
    if (!source.load)
      return make_error(StatusCode::kDataCorrupt, "ternary matrix {}: has no loader", source.name);
  }
  return {};
}

// Walks the nodes in execution order and remembers which values exist already.
class NodeValidator {
 public:
  explicit NodeValidator(const Graph& graph)
      : graph_(graph), defined_(graph.value_columns.size(), false) {}

  Status check(const Node& node) {
    BITNETC_RETURN_IF_ERROR(check_operands(node));
    BITNETC_RETURN_IF_ERROR(check_shapes(node));
    defined_[static_cast<size_t>(node.output)] = true;
    return {};
  }

 private:
  template <typename... Args>
  static Status error(const Node& node, fmt::format_string<Args...> format, Args&&... args) {
    return make_error(StatusCode::kDataCorrupt, "node {} ({}): {}", node.name,
                      graph_op_name(node.op), fmt::format(format, std::forward<Args>(args)...));
  }

  bool in_range(ValueId value) const {
    return value >= 0 && static_cast<size_t>(value) < defined_.size();
  }
  int64_t columns(ValueId value) const { return graph_.value_columns[static_cast<size_t>(value)]; }

  Status check_operands(const Node& node) const {
    if (node.name.empty()) return error(node, "has no name");
    if (node.inputs.size() != input_count(node.op))
      return error(node, "has {} inputs, expected {}", node.inputs.size(), input_count(node.op));
    for (size_t i = 0; i < node.inputs.size(); ++i) {
      const ValueId input = node.inputs[i];
      if (!in_range(input))
        return error(node, "input {} is value {}, but there are {} values", i, input,
                     defined_.size());
      if (!defined_[static_cast<size_t>(input)])
        return error(node, "input {} is value {}, which no earlier node defines", i, input);
    }
    if (!in_range(node.output))
      return error(node, "output is value {}, but there are {} values", node.output,
                   defined_.size());
    if (defined_[static_cast<size_t>(node.output)])
      return error(node, "output is value {}, which an earlier node defines already", node.output);
    if (columns(node.output) <= 0)
      return error(node, "output has {} columns, expected at least 1", columns(node.output));
    if (node.layer < -1 || node.layer >= graph_.config.layers)
      return error(node, "belongs to layer {}, but there are {} layers", node.layer,
                   graph_.config.layers);
    return {};
  }

  Status check_shapes(const Node& node) {
    switch (node.op) {
      case GraphOp::kEmbed:
      case GraphOp::kHead: return check_table(node);
      case GraphOp::kRmsNorm: return check_norm(node);
      case GraphOp::kBitLinear: return check_bit_linear(node);
      case GraphOp::kRope: return check_rope(node);
      case GraphOp::kAttention: return check_attention(node);
      case GraphOp::kGlu: return check_glu(node);
      case GraphOp::kAdd: {
        BITNETC_RETURN_IF_ERROR(check_no_attributes(node));
        return check_same_width(node);
      }
    }
    return error(node, "unknown operation {}", static_cast<int>(node.op));
  }

  Status check_weight_index(const Node& node, const char* kind, size_t count) const {
    if (node.weight < 0 || static_cast<size_t>(node.weight) >= count)
      return error(node, "weight is {} {}, but there are {}", kind, node.weight, count);
    return {};
  }
  static Status check_no_weight(const Node& node) {
    if (node.weight != -1) return error(node, "takes no weight, but names weight {}", node.weight);
    return {};
  }
  Status check_width(const Node& node, const char* operand, ValueId value, int64_t expected) const {
    if (columns(value) != expected)
      return error(node, "{} has {} columns, expected {}", operand, columns(value), expected);
    return {};
  }
  Status check_same_width(const Node& node) const {
    BITNETC_RETURN_IF_ERROR(check_no_weight(node));
    for (ValueId input : node.inputs)
      BITNETC_RETURN_IF_ERROR(check_width(node, "input", input, columns(node.output)));
    return {};
  }

  // The node's attributes, of the kind its operation has.
  template <typename Wanted>
  static Result<Wanted> attributes(const Node& node) {
    const auto* found = std::get_if<Wanted>(&node.attributes);
    if (found == nullptr) return error(node, "lacks the attributes of its operation");
    return *found;
  }
  static Status check_no_attributes(const Node& node) {
    if (!std::holds_alternative<std::monostate>(node.attributes))
      return error(node, "has attributes, but its operation takes none");
    return {};
  }
  // heads * head_dim, both positive.
  static Result<int64_t> head_columns(const Node& node, const char* name, int64_t heads,
                                      int64_t head_dim) {
    if (heads <= 0 || head_dim <= 0)
      return error(node, "{} = {} and head_dim = {}, expected at least 1", name, heads, head_dim);
    const auto columns = checked_product(heads, head_dim);
    if (!columns) return error(node, "{} * head_dim = {} * {} overflows", name, heads, head_dim);
    return *columns;
  }

  Status check_table(const Node& node) const {
    if (node.op == GraphOp::kEmbed) {
      BITNETC_ASSIGN_OR_RETURN(const auto embed, attributes<EmbedAttributes>(node));
      if (!(std::isfinite(embed.scale) && embed.scale > 0))
        return error(node, "scale = {}, expected a positive number", embed.scale);
    } else {
      BITNETC_RETURN_IF_ERROR(check_no_attributes(node));
    }
    BITNETC_RETURN_IF_ERROR(check_weight_index(node, "table", graph_.tables.size()));
    const FloatTable& table = graph_.tables[static_cast<size_t>(node.weight)];
    if (table.rows != graph_.config.vocab_size)
      return error(node, "table {} has {} rows, expected vocab_size = {}", table.name, table.rows,
                   graph_.config.vocab_size);
    if (node.op == GraphOp::kEmbed) return check_width(node, "output", node.output, table.columns);
    BITNETC_RETURN_IF_ERROR(check_width(node, "input", node.inputs[0], table.columns));
    return check_width(node, "output", node.output, table.rows);
  }

  Status check_norm(const Node& node) const {
    BITNETC_RETURN_IF_ERROR(check_weight_index(node, "vector", graph_.vectors.size()));
    const FloatVector& vector = graph_.vectors[static_cast<size_t>(node.weight)];
    const auto length = static_cast<int64_t>(vector.values.size());
    BITNETC_ASSIGN_OR_RETURN(const auto norm, attributes<NormAttributes>(node));
    BITNETC_ASSIGN_OR_RETURN(const int64_t width, head_columns(node, "heads", norm.heads, length));
    BITNETC_RETURN_IF_ERROR(check_width(node, "input", node.inputs[0], width));
    BITNETC_RETURN_IF_ERROR(check_width(node, "output", node.output, width));
    if (!(std::isfinite(norm.eps) && norm.eps >= 0))
      return error(node, "eps = {}, expected a finite number, at least 0", norm.eps);
    if (norm.eps != graph_.config.norm_eps)
      return error(node, "eps = {}, but the model's description says {}", norm.eps,
                   graph_.config.norm_eps);
    return {};
  }

  Status check_bit_linear(const Node& node) const {
    BITNETC_RETURN_IF_ERROR(check_no_attributes(node));
    BITNETC_RETURN_IF_ERROR(check_weight_index(node, "ternary matrix", graph_.ternary.size()));
    const TernarySource& source = graph_.ternary[static_cast<size_t>(node.weight)];
    if (columns(node.inputs[0]) != source.k || columns(node.output) != source.n)
      return error(node, "weight {} is [{}, {}], but the node maps {} columns to {}", source.name,
                   source.n, source.k, columns(node.inputs[0]), columns(node.output));
    return {};
  }

  Status check_rope(const Node& node) const {
    BITNETC_ASSIGN_OR_RETURN(const auto rope, attributes<RopeAttributes>(node));
    BITNETC_ASSIGN_OR_RETURN(const int64_t width,
                             head_columns(node, "heads", rope.heads, rope.head_dim));
    if (rope.head_dim % 2 != 0)
      return error(node, "head_dim = {} is odd; RoPE turns pairs", rope.head_dim);
    if (!(std::isfinite(rope.theta) && rope.theta > 0))
      return error(node, "theta = {}, expected a positive number", rope.theta);
    if (!(std::isfinite(rope.scaling.amplitude) && rope.scaling.amplitude > 0))
      return error(node, "amplitude = {}, expected a positive number", rope.scaling.amplitude);
    BITNETC_RETURN_IF_ERROR(check_width(node, "output", node.output, width));
    return check_same_width(node);
  }

  Status check_attention(const Node& node) {
    BITNETC_RETURN_IF_ERROR(check_no_weight(node));
    BITNETC_ASSIGN_OR_RETURN(const auto attention, attributes<AttentionAttributes>(node));
    BITNETC_ASSIGN_OR_RETURN(const int64_t q,
                             head_columns(node, "q_heads", attention.q_heads, attention.head_dim));
    BITNETC_ASSIGN_OR_RETURN(
        const int64_t kv, head_columns(node, "kv_heads", attention.kv_heads, attention.head_dim));
    if (attention.q_heads % attention.kv_heads != 0)
      return error(node, "q_heads = {} is not a multiple of kv_heads = {}", attention.q_heads,
                   attention.kv_heads);
    BITNETC_RETURN_IF_ERROR(check_width(node, "q", node.inputs[0], q));
    BITNETC_RETURN_IF_ERROR(check_width(node, "k", node.inputs[1], kv));
    BITNETC_RETURN_IF_ERROR(check_width(node, "v", node.inputs[2], kv));
    BITNETC_RETURN_IF_ERROR(check_width(node, "output", node.output, q));
    if (attention.window < 0)
      return error(node, "window = {}, expected at least 0", attention.window);
    if (!(std::isfinite(attention.scale) && attention.scale > 0))
      return error(node, "scale = {}, expected a positive number", attention.scale);
    if (attention.cache < 0 || attention.cache >= graph_.config.layers)
      return error(node, "cache = {}, expected 0..{}", attention.cache, graph_.config.layers - 1);
    if (!caches_.insert(attention.cache).second)
      return error(node, "cache = {} is that of an earlier node", attention.cache);
    return check_against_description(node, attention);
  }

  // The description has one number for all layers.
  Status check_against_description(const Node& node, const AttentionAttributes& attention) const {
    const ModelConfig& config = graph_.config;
    const struct {
      const char* name;
      int64_t here, described;
    } numbers[] = {{"q_heads", attention.q_heads, config.q_heads},
                   {"kv_heads", attention.kv_heads, config.kv_heads},
                   {"head_dim", attention.head_dim, config.head_dim}};
    for (const auto& number : numbers)
      if (number.here != number.described)
        return error(node, "{} = {}, but the model's description says {}", number.name, number.here,
                     number.described);
    if (attention.scale != config.attention_scale())
      return error(node, "scale = {}, but the model's description says {}", attention.scale,
                   config.attention_scale());
    return {};
  }

  Status check_glu(const Node& node) const {
    BITNETC_ASSIGN_OR_RETURN(const auto glu, attributes<GluAttributes>(node));
    if (glu.activation > Activation::kGelu)
      return error(node, "unknown activation {}", static_cast<int>(glu.activation));
    return check_same_width(node);
  }

  const Graph& graph_;
  std::vector<bool> defined_;
  std::set<int> caches_;  // of the attention nodes so far
};

}  // namespace

Status validate(const TernaryMatrix& matrix, const std::string& name) {
  const auto error = [&](const std::string& what) {
    return make_error(StatusCode::kDataCorrupt, "{}: {}", name, what);
  };
  const auto elements = checked_product(matrix.n, matrix.k);
  if (!elements || std::ssize(matrix.trits) != *elements)
    return error(
        fmt::format("{} trits do not fill [{}, {}]", matrix.trits.size(), matrix.n, matrix.k));
  const Scales& scales = matrix.scales;
  if (scales.kind == Scales::Kind::kGroup && scales.group <= 0)
    return error(
        fmt::format("scales share groups of {} columns, expected at least 1", scales.group));
  int64_t expected = 1;
  if (scales.kind != Scales::Kind::kTensor) expected = matrix.n;
  if (scales.kind == Scales::Kind::kGroup)
    expected *= matrix.k / scales.group + (matrix.k % scales.group != 0 ? 1 : 0);
  if (std::ssize(scales.values) != expected)
    return error(fmt::format("{} scales, expected {}", scales.values.size(), expected));
  for (const float scale : scales.values)
    if (!(std::isfinite(scale) && scale > 0))
      return error(fmt::format("a scale is {}, expected a positive number", scale));
  return {};
}

Result<TernaryMatrix> load_with_one_scale(const TernarySource& source, std::string_view no_more) {
  BITNETC_ASSIGN_OR_RETURN(TernaryMatrix matrix, source.load());
  BITNETC_RETURN_IF_ERROR(validate(matrix, source.label()));
  if (matrix.n != source.n || matrix.k != source.k)
    return make_error(StatusCode::kDataCorrupt, "{}: is [{}, {}], expected [{}, {}]",
                      source.label(), matrix.n, matrix.k, source.n, source.k);
  if (matrix.scales.kind != Scales::Kind::kTensor)
    return make_error(
        StatusCode::kUnsupported, "{}: a scale per {} {}, expected one per matrix", source.label(),
        matrix.scales.kind == Scales::Kind::kRow ? "row" : "group of columns", no_more);
  return matrix;
}

Status validate(const Graph& graph) {
  BITNETC_RETURN_IF_ERROR(validate_config(graph.config));
  BITNETC_RETURN_IF_ERROR(validate_weights(graph));
  if (graph.nodes.empty()) return make_error(StatusCode::kDataCorrupt, "the graph has no nodes");
  NodeValidator validator(graph);
  for (const Node& node : graph.nodes) BITNETC_RETURN_IF_ERROR(validator.check(node));
  return {};
}

}  // namespace bitnetc
