#include "frontend/families/decoder.h"

#include <cmath>

namespace bitnetc {
namespace {

class Builder {
 public:
  Builder(const DecoderKind& kind, const ModelFacts& facts, WeightSource& weights, Graph* graph)
      : kind_(kind), facts_(facts), model_(facts.config), weights_(weights), graph_(*graph) {}

  Status build() {
    BITNETC_ASSIGN_OR_RETURN(const int embedding, add_table("model.embed_tokens"));
    ValueId h = add_node({.op = GraphOp::kEmbed,
                          .name = "embed_tokens",
                          .weight = embedding,
                          .attributes = EmbedAttributes{.scale = embedding_scale()}},
                         model_.hidden_size);
    for (int64_t layer = 0; layer < model_.layers; ++layer) {
      layer_ = static_cast<int>(layer);
      BITNETC_ASSIGN_OR_RETURN(h, add_attention_block(h));
      BITNETC_ASSIGN_OR_RETURN(h, add_ffn_block(h));
    }
    layer_ = -1;
    BITNETC_ASSIGN_OR_RETURN(h, add_norm("norm", "model.norm", h));
    if (model_.output == ModelOutput::kHidden) return {};
    int head = embedding;
    if (!facts_.tied_head) {
      auto untied = add_table("lm_head");
      if (!untied.ok())
        return untied.status().with_context("tie_word_embeddings is false or missing");
      head = *untied;
    }
    add_node({.op = GraphOp::kHead, .name = "lm_head", .inputs = {h}, .weight = head},
             model_.vocab_size);
    return {};
  }

 private:
  // "layers.3.q_proj"
  std::string node_name(const std::string& part) const {
    return layer_ < 0 ? part : fmt::format("layers.{}.{}", layer_, part);
  }
  // "model.layers.3.self_attn.q_proj"
  std::string weight_name(std::string_view part) const {
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
    const std::string self = weight_name("self_attn.");
    BITNETC_ASSIGN_OR_RETURN(const ValueId a,
                             add_norm("input_layernorm", weight_name("input_layernorm"), h));
    BITNETC_ASSIGN_OR_RETURN(ValueId q, add_linear("q_proj", self + "q_proj", a, q_width));
    BITNETC_ASSIGN_OR_RETURN(ValueId k, add_linear("k_proj", self + "k_proj", a, kv_width));
    BITNETC_ASSIGN_OR_RETURN(const ValueId v, add_linear("v_proj", self + "v_proj", a, kv_width));
    const LayerFacts own = layer_facts();
    RopeAttributes rope{.heads = model_.q_heads,
                        .head_dim = model_.head_dim,
                        .theta = own.rope_theta,
                        .scaling = own.rope_scaling};
    BITNETC_ASSIGN_OR_RETURN(q, add_head_norm("q_norm", self + "q_norm", q, model_.q_heads));
    BITNETC_ASSIGN_OR_RETURN(k, add_head_norm("k_norm", self + "k_norm", k, model_.kv_heads));
    q = add_plain(GraphOp::kRope, "q_rope", {q}, q_width, rope);
    rope.heads = model_.kv_heads;
    k = add_plain(GraphOp::kRope, "k_rope", {k}, kv_width, rope);
    const AttentionAttributes attention{.q_heads = model_.q_heads,
                                        .kv_heads = model_.kv_heads,
                                        .head_dim = model_.head_dim,
                                        .window = own.window,
                                        .scale = model_.attention_scale(),
                                        .cache = layer_};
    const ValueId mixed =
        add_plain(GraphOp::kAttention, "attention", {q, k, v}, q_width, attention);
    BITNETC_ASSIGN_OR_RETURN(const ValueId normed,
                             add_native_norm("attn_sub_norm", kind_.attention_sub_norm, mixed));
    BITNETC_ASSIGN_OR_RETURN(ValueId out,
                             add_linear("o_proj", self + "o_proj", normed, model_.hidden_size));
    BITNETC_ASSIGN_OR_RETURN(out,
                             add_native_norm("attn_post_norm", kind_.attention_post_norm, out));
    return add_plain(GraphOp::kAdd, "attn_add", {h, out}, model_.hidden_size);
  }

  Result<ValueId> add_ffn_block(ValueId h) {
    const int64_t width = model_.intermediate_size;
    const std::string mlp = weight_name("mlp.");
    BITNETC_ASSIGN_OR_RETURN(const ValueId b,
                             add_native_norm(std::string(kind_.ffn_norm), kind_.ffn_norm, h));
    BITNETC_ASSIGN_OR_RETURN(const ValueId gate,
                             add_linear("gate_proj", mlp + "gate_proj", b, width));
    BITNETC_ASSIGN_OR_RETURN(const ValueId up, add_linear("up_proj", mlp + "up_proj", b, width));
    const ValueId product = add_plain(GraphOp::kGlu, "glu", {gate, up}, width,
                                      GluAttributes{.activation = kind_.activation});
    BITNETC_ASSIGN_OR_RETURN(const ValueId normed,
                             add_native_norm("ffn_sub_norm", kind_.ffn_sub_norm, product));
    BITNETC_ASSIGN_OR_RETURN(
        ValueId out, add_linear("down_proj", mlp + "down_proj", normed, model_.hidden_size));
    BITNETC_ASSIGN_OR_RETURN(out, add_native_norm("ffn_post_norm", kind_.ffn_post_norm, out));
    return add_plain(GraphOp::kAdd, "ffn_add", {h, out}, model_.hidden_size);
  }

  // A norm of rows, or of each of `heads` equal parts of them. `less_one`: the weight is stored as
  // factor - 1.
  Result<ValueId> add_norm_of(const std::string& name, const std::string& weight, ValueId input,
                              int64_t heads, bool less_one) {
    const int64_t columns = graph_.value_columns[static_cast<size_t>(input)];
    BITNETC_ASSIGN_OR_RETURN(FloatVector vector, weights_.vector(weight, columns / heads));
    if (less_one)
      for (float& value : vector.values) value = 1 + value;
    graph_.vectors.push_back(std::move(vector));
    return add_node({.op = GraphOp::kRmsNorm,
                     .name = node_name(name),
                     .inputs = {input},
                     .weight = static_cast<int>(graph_.vectors.size()) - 1,
                     .attributes = NormAttributes{.eps = model_.norm_eps, .heads = heads}},
                    columns);
  }

  Result<ValueId> add_norm(const std::string& name, const std::string& weight, ValueId input) {
    return add_norm_of(name, weight, input, 1, facts_.norms_less_one);
  }

  // A norm of the layer; `input` itself where the family has no such norm.
  Result<ValueId> add_native_norm(const std::string& name, std::string_view weight, ValueId input) {
    if (weight.empty()) return input;
    return add_norm(name, weight_name(weight), input);
  }

  Result<ValueId> add_head_norm(const std::string& name, const std::string& weight, ValueId input,
                                int64_t heads) {
    if (!kind_.head_norms) return input;
    return add_norm_of(name, weight, input, heads, facts_.norms_less_one);
  }

  Result<ValueId> add_linear(const std::string& name, const std::string& weight, ValueId input,
                             int64_t n) {
    // Plain factors in every family.
    if (kind_.projection_norms) {
      BITNETC_ASSIGN_OR_RETURN(input,
                               add_norm_of(name + "_norm", weight + ".norm", input, 1, false));
    }
    const int64_t k = graph_.value_columns[static_cast<size_t>(input)];
    BITNETC_ASSIGN_OR_RETURN(TernarySource source, weights_.ternary(weight, n, k));
    graph_.ternary.push_back(std::move(source));
    return add_node({.op = GraphOp::kBitLinear,
                     .name = node_name(name),
                     .inputs = {input},
                     .weight = static_cast<int>(graph_.ternary.size()) - 1},
                    n);
  }

  LayerFacts layer_facts() const {
    if (!model_.layer_facts.empty()) return model_.layer_facts[static_cast<size_t>(layer_)];
    return model_.usual_layer();
  }

  float embedding_scale() const {
    if (!kind_.scales_embedding) return 1;
    return static_cast<float>(std::sqrt(static_cast<double>(model_.hidden_size)));
  }

  Result<int> add_table(const std::string& weight) {
    BITNETC_ASSIGN_OR_RETURN(FloatTable table,
                             weights_.table(weight, model_.vocab_size, model_.hidden_size));
    graph_.tables.push_back(std::move(table));
    return static_cast<int>(graph_.tables.size()) - 1;
  }

  const DecoderKind& kind_;
  const ModelFacts& facts_;
  const ModelConfig& model_;
  WeightSource& weights_;
  Graph& graph_;
  int layer_ = -1;
};

}  // namespace

Status build_decoder(const DecoderKind& kind, const ModelFacts& facts, WeightSource& weights,
                     Graph* graph) {
  return Builder(kind, facts, weights, graph).build();
}

}  // namespace bitnetc
