// h = embed[token]
// each layer:  a = norm(h);  h += o( sub_norm( attention( rope(q(a)), rope(k(a)), v(a) ) ) )
//              b = norm(h);  h += down( sub_norm( relu(gate(b))^2 * up(b) ) )
// logits = head( norm(h) )            q k v o gate up down are BitLinear, the head is a float table
#include "frontend/hf/bitnet_graph.h"

#include <algorithm>
#include <cmath>
#include <set>

#include "frontend/hf/ternary_weights.h"
#include "frontend/json/strict_json.h"

namespace bitnetc {
namespace {

constexpr size_t kMaxNotedTensors = 16;

// Which types a tensor may have, and how a message says so.
struct TypeRule {
  bool (*accepts)(TensorType);
  const char* text;
};
bool is_float(TensorType type) {
  return float_type_of(type).has_value();
}
bool is_u8(TensorType type) {
  return type == TensorType::kU8;
}
constexpr TypeRule kFloat{is_float, "BF16, F16 or F32"};
constexpr TypeRule kPackedTrits{is_u8, "U8 (packed weights, as quantization_mode is offline)"};
constexpr TypeRule kMasters{is_float,
                            "BF16, F16 or F32 (float masters, as quantization_mode is online or "
                            "there is no quantization_config)"};

// Finds tensors by name, checks them, and remembers which were asked for.
class TensorPicker {
 public:
  TensorPicker(const SafetensorsModel& tensors, LoadReport* report)
      : tensors_(tensors), report_(report) {}

  Result<const StoredTensor*> pick(const std::string& name, const TypeRule& rule,
                                   const std::vector<int64_t>& shape) {
    const StoredTensor* tensor = tensors_.find(name);
    if (tensor == nullptr)
      return make_error(StatusCode::kNotFound, "{}: tensor {} is missing, expected {} {}",
                        tensors_.folder(), name, rule.text, shape_text(shape));
    used_.insert(name);
    if (!rule.accepts(tensor->type))
      return make_error(StatusCode::kDataCorrupt, "{}: dtype is {}, expected {}", tensor->label(),
                        tensor_type_name(tensor->type), rule.text);
    if (tensor->shape != shape)
      return make_error(StatusCode::kDataCorrupt, "{}: shape is {}, expected {}", tensor->label(),
                        shape_text(tensor->shape), shape_text(shape));
    return tensor;
  }

  // A scale may be stored as [1] or as a scalar.
  Result<const StoredTensor*> pick_scale(const std::string& name) {
    const StoredTensor* tensor = tensors_.find(name);
    const bool scalar = tensor != nullptr && tensor->shape.empty();
    return pick(name, kFloat, scalar ? std::vector<int64_t>() : std::vector<int64_t>{1});
  }

  void note_unused() {
    std::vector<std::string> unused;
    for (const std::string& name : tensors_.tensor_names())
      if (!used_.contains(name)) unused.push_back(name);
    for (size_t i = 0; i < std::min(unused.size(), kMaxNotedTensors); ++i)
      report_->notes.push_back(
          fmt::format("tensor {} is not part of this model and not used", printable(unused[i])));
    if (unused.size() > kMaxNotedTensors)
      report_->notes.push_back(
          fmt::format("{} more tensors are not used", unused.size() - kMaxNotedTensors));
  }

 private:
  const SafetensorsModel& tensors_;
  LoadReport* report_;
  std::set<std::string> used_;
};

class GraphBuilder {
 public:
  GraphBuilder(const HfConfig& config, const SafetensorsModel& tensors, Graph* graph,
               LoadReport* report)
      : config_(config), model_(config.model), picker_(tensors, report), graph_(*graph) {}

  Status build() {
    BITNETC_ASSIGN_OR_RETURN(const int embedding, add_table("model.embed_tokens.weight"));
    ValueId h =
        add_node({.op = GraphOp::kEmbed, .name = "embed_tokens", .inputs = {}, .weight = embedding},
                 model_.hidden_size);
    for (int64_t layer = 0; layer < model_.layers; ++layer) {
      layer_ = static_cast<int>(layer);
      BITNETC_ASSIGN_OR_RETURN(h, add_attention_block(h));
      BITNETC_ASSIGN_OR_RETURN(h, add_ffn_block(h));
    }
    layer_ = -1;
    BITNETC_ASSIGN_OR_RETURN(h, add_norm("norm", "model.norm", h));
    int head = embedding;
    if (!config_.tied_head) {
      auto untied = add_table("lm_head.weight");
      if (!untied.ok())
        return untied.status().with_context("tie_word_embeddings is false or missing");
      head = *untied;
    }
    add_node({.op = GraphOp::kHead, .name = "lm_head", .inputs = {h}, .weight = head},
             model_.vocab_size);
    picker_.note_unused();
    return {};
  }

 private:
  // "layers.3.q_proj"
  std::string node_name(const std::string& part) const {
    return layer_ < 0 ? part : fmt::format("layers.{}.{}", layer_, part);
  }
  // "model.layers.3.self_attn.q_proj"
  std::string layer_tensor(const std::string& part) const {
    return fmt::format("model.layers.{}.{}", layer_, part);
  }

  ValueId add_node(Node node, int64_t columns) {
    node.layer = layer_;
    node.output = graph_.add_value(columns);
    graph_.nodes.push_back(std::move(node));
    return graph_.nodes.back().output;
  }

  ValueId add_plain(GraphOp op, const std::string& name, std::vector<ValueId> inputs,
                    int64_t columns, const Attributes& attributes = {}) {
    return add_node(
        {.op = op, .name = node_name(name), .inputs = std::move(inputs), .attributes = attributes},
        columns);
  }

  Result<ValueId> add_attention_block(ValueId h) {
    const int64_t q_width = model_.q_heads * model_.head_dim;
    const int64_t kv_width = model_.kv_heads * model_.head_dim;
    const std::string self = layer_tensor("self_attn.");
    BITNETC_ASSIGN_OR_RETURN(const ValueId a,
                             add_norm("input_layernorm", layer_tensor("input_layernorm"), h));
    BITNETC_ASSIGN_OR_RETURN(ValueId q, add_linear("q_proj", self + "q_proj", a, q_width));
    BITNETC_ASSIGN_OR_RETURN(ValueId k, add_linear("k_proj", self + "k_proj", a, kv_width));
    BITNETC_ASSIGN_OR_RETURN(const ValueId v, add_linear("v_proj", self + "v_proj", a, kv_width));
    RopeAttributes rope{
        .heads = model_.q_heads, .head_dim = model_.head_dim, .theta = model_.rope_theta};
    q = add_plain(GraphOp::kRope, "q_rope", {q}, q_width, rope);
    rope.heads = model_.kv_heads;
    k = add_plain(GraphOp::kRope, "k_rope", {k}, kv_width, rope);
    const double root = std::sqrt(static_cast<double>(model_.head_dim));
    const AttentionAttributes attention{.q_heads = model_.q_heads,
                                        .kv_heads = model_.kv_heads,
                                        .head_dim = model_.head_dim,
                                        .scale = static_cast<float>(1.0 / root),
                                        .cache = layer_};
    const ValueId mixed =
        add_plain(GraphOp::kAttention, "attention", {q, k, v}, q_width, attention);
    BITNETC_ASSIGN_OR_RETURN(const ValueId normed,
                             add_norm("attn_sub_norm", self + "attn_sub_norm", mixed));
    BITNETC_ASSIGN_OR_RETURN(const ValueId out,
                             add_linear("o_proj", self + "o_proj", normed, model_.hidden_size));
    return add_plain(GraphOp::kAdd, "attn_add", {h, out}, model_.hidden_size);
  }

  Result<ValueId> add_ffn_block(ValueId h) {
    const int64_t width = model_.intermediate_size;
    const std::string mlp = layer_tensor("mlp.");
    BITNETC_ASSIGN_OR_RETURN(
        const ValueId b,
        add_norm("post_attention_layernorm", layer_tensor("post_attention_layernorm"), h));
    BITNETC_ASSIGN_OR_RETURN(const ValueId gate,
                             add_linear("gate_proj", mlp + "gate_proj", b, width));
    BITNETC_ASSIGN_OR_RETURN(const ValueId up, add_linear("up_proj", mlp + "up_proj", b, width));
    const ValueId product = add_plain(GraphOp::kGlu, "glu", {gate, up}, width,
                                      GluAttributes{.activation = Activation::kRelu2});
    BITNETC_ASSIGN_OR_RETURN(const ValueId normed,
                             add_norm("ffn_sub_norm", mlp + "ffn_sub_norm", product));
    BITNETC_ASSIGN_OR_RETURN(
        const ValueId out, add_linear("down_proj", mlp + "down_proj", normed, model_.hidden_size));
    return add_plain(GraphOp::kAdd, "ffn_add", {h, out}, model_.hidden_size);
  }

  Result<ValueId> add_norm(const std::string& name, const std::string& tensor_name, ValueId input) {
    const int64_t columns = graph_.value_columns[static_cast<size_t>(input)];
    BITNETC_ASSIGN_OR_RETURN(const StoredTensor* tensor,
                             picker_.pick(tensor_name + ".weight", kFloat, {columns}));
    BITNETC_RETURN_IF_ERROR(check_finite(*tensor));
    FloatVector vector{.name = tensor->name, .values = {}};
    vector.values.resize(static_cast<size_t>(columns));
    widen(*float_type_of(tensor->type), tensor->bytes.data(), columns, vector.values.data());
    graph_.vectors.push_back(std::move(vector));
    return add_node({.op = GraphOp::kRmsNorm,
                     .name = node_name(name),
                     .inputs = {input},
                     .weight = static_cast<int>(graph_.vectors.size()) - 1,
                     .attributes = NormAttributes{.eps = model_.norm_eps}},
                    columns);
  }

  Result<ValueId> add_linear(const std::string& name, const std::string& tensor_name, ValueId input,
                             int64_t n) {
    const int64_t k = graph_.value_columns[static_cast<size_t>(input)];
    auto source = config_.storage == WeightStorage::kPacked ? packed_source(tensor_name, n, k)
                                                            : master_source(tensor_name, n, k);
    if (!source.ok()) return source.status();
    graph_.ternary.push_back(std::move(source).value());
    return add_node({.op = GraphOp::kBitLinear,
                     .name = node_name(name),
                     .inputs = {input},
                     .weight = static_cast<int>(graph_.ternary.size()) - 1},
                    n);
  }

  Result<TernarySource> packed_source(const std::string& name, int64_t n, int64_t k) {
    BITNETC_ASSIGN_OR_RETURN(const StoredTensor* packed,
                             picker_.pick(name + ".weight", kPackedTrits, {(n + 3) / 4, k}));
    BITNETC_ASSIGN_OR_RETURN(const StoredTensor* stored_scale,
                             picker_.pick_scale(name + ".weight_scale"));
    BITNETC_ASSIGN_OR_RETURN(const float scale,
                             read_weight_scale(*stored_scale, config_.scale_rule));
    return TernarySource{.name = name, .n = n, .k = k, .load = [tensor = *packed, n, scale] {
                           auto matrix = unpack_ternary(tensor, n, scale);
                           tensor.forget();
                           return matrix;
                         }};
  }

  Result<TernarySource> master_source(const std::string& name, int64_t n, int64_t k) {
    BITNETC_ASSIGN_OR_RETURN(const StoredTensor* masters,
                             picker_.pick(name + ".weight", kMasters, {n, k}));
    return TernarySource{.name = name, .n = n, .k = k, .load = [tensor = *masters] {
                           auto matrix = quantise_absmean(tensor);
                           tensor.forget();
                           return matrix;
                         }};
  }

  // A [vocab, hidden] table. Points into the mapping, or at a copy where the file left it
  // unaligned.
  Result<int> add_table(const std::string& name) {
    BITNETC_ASSIGN_OR_RETURN(const StoredTensor* tensor,
                             picker_.pick(name, kFloat, {model_.vocab_size, model_.hidden_size}));
    BITNETC_RETURN_IF_ERROR(check_finite(*tensor));
    FloatTable table{.name = name,
                     .type = *float_type_of(tensor->type),
                     .rows = model_.vocab_size,
                     .columns = model_.hidden_size,
                     .bytes = tensor->bytes,
                     .owner = tensor->file};
    const auto address = reinterpret_cast<uintptr_t>(tensor->bytes.data());
    if (address % static_cast<uintptr_t>(float_type_bytes(table.type)) != 0) {
      auto copy =
          std::make_shared<std::vector<uint8_t>>(tensor->bytes.begin(), tensor->bytes.end());
      table.bytes = *copy;
      table.owner = std::move(copy);
    }
    tensor->forget();
    graph_.tables.push_back(std::move(table));
    return static_cast<int>(graph_.tables.size()) - 1;
  }

  const HfConfig& config_;
  const ModelConfig& model_;
  TensorPicker picker_;
  Graph& graph_;
  int layer_ = -1;
};

}  // namespace

Status build_bitnet_graph(const HfConfig& config, const SafetensorsModel& tensors, Graph* graph,
                          LoadReport* report) {
  return GraphBuilder(config, tensors, graph, report).build();
}

}  // namespace bitnetc
