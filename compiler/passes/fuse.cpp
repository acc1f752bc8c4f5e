#include "compiler/passes/fuse.h"

#include <algorithm>
#include <map>
#include <set>

#include "runtime/rounding.h"

namespace bitnetc {
namespace {

Epilogue epilogue_of(Activation activation) {
  switch (activation) {
    case Activation::kRelu2: return Epilogue::kRelu2Mul;
    case Activation::kSilu: return Epilogue::kSiluMul;
    case Activation::kGelu: return Epilogue::kGeluMul;
  }
  BITNETC_CHECK(false, "activation {} passed validate()", static_cast<int>(activation));
}

class Fuser {
 public:
  Fuser(const Graph& graph, const FuseOptions& options) : graph_(graph), options_(options) {
    producers_.assign(graph.value_columns.size(), nullptr);
    consumers_.resize(graph.value_columns.size());
    for (const Node& node : graph.nodes) {
      producers_[index(node.output)] = &node;
      for (ValueId input : node.inputs) consumers_[index(input)].push_back(&node);
    }
  }

  Result<FusedGraph> run() {
    for (const Node& node : graph_.nodes) BITNETC_RETURN_IF_ERROR(fuse_node(node));
    for (const Node& node : graph_.nodes) {
      if (waits_for_user(node) && !fused_.contains(&node))
        return unsupported(node, "its output is used by no node that it can be fused with");
    }
    return std::move(fused_graph_);
  }

 private:
  static size_t index(ValueId value) { return static_cast<size_t>(value); }

  static Status unsupported(const Node& node, const std::string& why) {
    return make_error(StatusCode::kUnsupported, "{} ({}): no fusion pattern applies: {}", node.name,
                      graph_op_name(node.op), why);
  }

  // A valid node has them.
  template <typename Wanted>
  static const Wanted& attributes(const Node& node) {
    return std::get<Wanted>(node.attributes);
  }

  bool is_output(const Node& node) const { return &node == &graph_.nodes.back(); }

  bool all_users_are(const Node& node, GraphOp op) const {
    const auto& users = consumers_[index(node.output)];
    return !users.empty() &&
           std::ranges::all_of(users, [&](const Node* user) { return user->op == op; });
  }

  // A norm whose only user adds it to something else.
  bool is_added(const Node& norm) const {
    const auto& users = consumers_[index(norm.output)];
    return users.size() == 1 && users[0]->op == GraphOp::kAdd &&
           users[0]->inputs[0] != users[0]->inputs[1];
  }

  // Linear layers, rotations, norms before them and norms that are added wait for the node that
  // consumes them.
  bool waits_for_user(const Node& node) const {
    return node.op == GraphOp::kBitLinear || node.op == GraphOp::kRope ||
           (node.op == GraphOp::kRmsNorm &&
            (all_users_are(node, GraphOp::kRope) || is_added(node)));
  }

  Status fuse_node(const Node& node) {
    if (waits_for_user(node)) return {};
    switch (node.op) {
      case GraphOp::kEmbed: return fuse_embed(node);
      case GraphOp::kRmsNorm: return fuse_norm(node);
      case GraphOp::kAttention: return fuse_attention(node);
      case GraphOp::kGlu: return fuse_glu(node);
      case GraphOp::kAdd: return fuse_add(node);
      case GraphOp::kHead: return fuse_head(node);
      case GraphOp::kBitLinear:
      case GraphOp::kRope: break;
    }
    return {};
  }

  Status fuse_embed(const Node& node) {
    const FloatTable& table = graph_.tables[index(node.weight)];
    add({.kind = StepKind::kEmbed,
         .name = node.name,
         .output = define(node, round_up(table.columns, kTileRows)),
         .weights = {node.weight},
         .spec = EmbedSpec{.k = table.columns,
                           .type = table.type,
                           .scale = attributes<EmbedAttributes>(node).scale}});
    return {};
  }

  // A norm feeds linear layers, which want it quantised, or other norms or the head, which do not;
  // or it is what the model puts out.
  Status fuse_norm(const Node& node) {
    const auto k = static_cast<int64_t>(graph_.vectors[index(node.weight)].values.size());
    const auto [eps, heads] = attributes<NormAttributes>(node);
    if (heads != 1)
      return unsupported(node, fmt::format("it norms {} heads, and no RoPE follows", heads));
    BITNETC_ASSIGN_OR_RETURN(const int input, fused_value(node, node.inputs[0]));
    FusedOp op{.name = node.name, .input = input, .weights = {node.weight}};
    if (all_users_are(node, GraphOp::kBitLinear)) {
      const NormQuantizeSpec spec{.k = k, .eps = eps};
      op.kind = StepKind::kNormQuantize;
      op.spec = spec;
      op.output = define(node, spec.padded_k(), BufferKind::kQuantized);
      if (sparse_.contains(input)) sparse_.insert(op.output);
    } else if (const bool is_last = is_output(node) || all_users_are(node, GraphOp::kHead);
               is_last || all_users_are(node, GraphOp::kRmsNorm)) {
      op.kind = StepKind::kRmsNorm;
      op.spec = RmsNormSpec{.k = k, .eps = eps};
      op.output = define(node, round_up(k, kTileRows));
      op.scored = is_last;
    } else {
      return unsupported(node,
                         "its users are neither all linear layers nor all norms nor all "
                         "heads");
    }
    add(std::move(op));
    return {};
  }

  // The rotation that makes q or k.
  Result<const Node*> rope_of(const Node& attention, ValueId value) const {
    const Node* rope = producers_[index(value)];
    if (rope == nullptr || rope->op != GraphOp::kRope)
      return unsupported(attention, "attention without RoPE on q and k has no kernel yet");
    return rope;
  }

  // What makes q or k before its rotation: a linear layer and maybe a norm of the heads.
  struct Projection {
    const Node* linear = nullptr;
    const Node* norm = nullptr;
  };

  static std::string rotation_text(const RopeAttributes& rope) {
    return fmt::format("{} heads of {} with theta = {}, scaling {}", rope.heads, rope.head_dim,
                       rope.theta, describe(rope.scaling));
  }

  // The projection before a rotation that must be `expected`: one kernel rotates q and k alike.
  Result<Projection> projection_before(const Node& rope, const RopeAttributes& expected) {
    const auto& found = attributes<RopeAttributes>(rope);
    if (found != expected)
      return unsupported(rope,
                         fmt::format("it rotates {}; q and k are rotated alike, so {} is expected",
                                     rotation_text(found), rotation_text(expected)));
    fused_.insert(&rope);
    const Node* before = producers_[index(rope.inputs[0])];
    if (before == nullptr || before->op != GraphOp::kRmsNorm) return Projection{.linear = before};
    const auto& norm = attributes<NormAttributes>(*before);
    if (norm.heads != expected.heads)
      return unsupported(*before, fmt::format("it norms {} heads, but {} are rotated behind it",
                                              norm.heads, expected.heads));
    fused_.insert(before);
    return Projection{.linear = producers_[index(before->inputs[0])], .norm = before};
  }

  void add_head_norm(const Node* norm, int qkv, int64_t column, int64_t head_dim) {
    if (norm == nullptr) return;
    const auto [eps, heads] = attributes<NormAttributes>(*norm);
    add({.kind = StepKind::kHeadNorm,
         .name = norm->name,
         .input = qkv,
         .column = column,
         .layer = norm->layer,
         .weights = {norm->weight},
         .spec = HeadNormSpec{.heads = heads, .head_dim = head_dim, .eps = eps}});
  }

  Status fuse_attention(const Node& node) {
    const auto& attention = attributes<AttentionAttributes>(node);
    BITNETC_ASSIGN_OR_RETURN(const Node* q_rope, rope_of(node, node.inputs[0]));
    BITNETC_ASSIGN_OR_RETURN(const Node* k_rope, rope_of(node, node.inputs[1]));
    RopeAttributes rope = attributes<RopeAttributes>(*q_rope);
    rope.heads = attention.q_heads;
    rope.head_dim = attention.head_dim;
    BITNETC_ASSIGN_OR_RETURN(const Projection q, projection_before(*q_rope, rope));
    rope.heads = attention.kv_heads;
    BITNETC_ASSIGN_OR_RETURN(const Projection k, projection_before(*k_rope, rope));
    const Node* parts[] = {q.linear, k.linear, producers_[index(node.inputs[2])]};
    const std::string prefix = fmt::format("layers.{}.", node.layer);
    BITNETC_ASSIGN_OR_RETURN(const int qkv, fuse_qkv(node, prefix + "qkv_proj", parts));
    const RopeAppendSpec append{.q_heads = attention.q_heads,
                                .kv_heads = attention.kv_heads,
                                .head_dim = attention.head_dim};
    add_head_norm(q.norm, qkv, 0, attention.head_dim);
    add_head_norm(k.norm, qkv, append.k_offset(), attention.head_dim);
    add({.kind = StepKind::kRopeAppend,
         .name = prefix + "rope",
         .input = qkv,
         .layer = attention.cache,
         .rope_theta = rope.theta,
         .rope_scaling = rope.scaling,
         .spec = append});
    add({.kind = StepKind::kAttention,
         .name = node.name,
         .input = qkv,
         .output = define(node, round_up(attention.q_heads * attention.head_dim, kTileRows)),
         .layer = attention.cache,
         .spec = AttentionSpec{.head_dim = attention.head_dim,
                               .q_per_kv = attention.q_heads / attention.kv_heads,
                               .window = attention.window,
                               .scale = attention.scale}});
    return {};
  }

  // Where the three have one input, one matmul; else one each, which write side by side.
  Result<int> fuse_qkv(const Node& attention, const std::string& name,
                       std::span<const Node* const> parts) {
    for (const Node* part : parts)
      if (part == nullptr || part->op != GraphOp::kBitLinear)
        return unsupported(attention, "an input is not a linear layer");
    if (share_input(parts)) return fuse_matmul(attention, name, parts, Epilogue::kScale);
    int64_t columns = 0;
    for (const Node* part : parts)
      columns += round_up(graph_.ternary[index(part->weight)].n, kTileRows);
    const int qkv = new_value(name, columns, BufferKind::kF32);
    int64_t column = 0;
    for (const Node* part : parts) {
      const auto made =
          fuse_matmul(attention, part->name, {&part, 1}, Epilogue::kScale, qkv, column);
      BITNETC_RETURN_IF_ERROR(made.status());
      column += std::get<MatmulSpec>(fused_graph_.ops.back().spec).n;
    }
    return qkv;
  }

  static bool share_input(std::span<const Node* const> parts) {
    return std::ranges::all_of(
        parts, [&](const Node* part) { return part->inputs[0] == parts[0]->inputs[0]; });
  }

  Status fuse_glu(const Node& node) {
    const Node* parts[] = {producers_[index(node.inputs[0])], producers_[index(node.inputs[1])]};
    const Epilogue epilogue = epilogue_of(attributes<GluAttributes>(node).activation);
    for (const Node* part : parts)
      if (part == nullptr || part->op != GraphOp::kBitLinear)
        return unsupported(node, "an input is not a linear layer");
    if (!share_input(parts)) return fuse_separate_glu(node, epilogue);
    if (options_.skip_neurons && epilogue == Epilogue::kRelu2Mul) return fuse_sparse_glu(node);
    const std::string name = fmt::format("layers.{}.gate_up_proj", node.layer);
    BITNETC_ASSIGN_OR_RETURN(const int output, fuse_matmul(node, name, parts, epilogue));
    fused_values_[node.output] = output;
    return {};
  }

  Status fuse_separate_glu(const Node& node, Epilogue epilogue) {
    const int64_t n = graph_.value_columns[index(node.output)];
    BITNETC_ASSIGN_OR_RETURN(const int gate, fused_value(node, node.inputs[0]));
    BITNETC_ASSIGN_OR_RETURN(const int up, fused_value(node, node.inputs[1]));
    add({.kind = StepKind::kGlu,
         .name = node.name,
         .input = gate,
         .output = define(node, round_up(n, kTileRows)),
         .second = up,
         .layer = node.layer,
         .spec = GluSpec{.n = n, .epilogue = epilogue}});
    return {};
  }

  // As fuse_separate_glu(), with another step in the place of up and product for one row.
  Status fuse_sparse_glu(const Node& node) {
    BITNETC_RETURN_IF_ERROR(fuse_separate_glu(node, Epilogue::kRelu2Mul));
    FusedOp& product = fused_graph_.ops.back();
    FusedOp& up = fused_graph_.ops[fused_graph_.ops.size() - 2];
    BITNETC_CHECK(up.output == product.second, "{}: up is not made just before", node.name);
    product.rows = up.rows = StepRows::kSeveral;
    const auto& matmul = std::get<MatmulSpec>(up.spec);
    sparse_.insert(product.output);
    add({.kind = StepKind::kSparseUp,
         .name = up.name + ".sparse",
         .input = up.input,
         .output = product.output,
         .second = product.input,
         .rows = StepRows::kOne,
         .layer = node.layer,
         .weights = up.weights,
         .spec = SparseUpSpec{.n = matmul.n, .k = matmul.k}});
    return {};
  }

  // Behind a projection of what is sparse: the same for one row.
  void skip_neurons_of_last_op() {
    FusedOp& dense = fused_graph_.ops.back();
    if (!sparse_.contains(dense.input) || dense.weights.size() != 1 || dense.output_column != 0)
      return;
    dense.rows = StepRows::kSeveral;
    const auto& matmul = std::get<MatmulSpec>(dense.spec);
    add({.kind = StepKind::kSparseDown,
         .name = dense.name + ".sparse",
         .input = dense.input,
         .output = dense.output,
         .residual = dense.residual,
         .rows = StepRows::kOne,
         .layer = dense.layer,
         .weights = dense.weights,
         .spec = SparseDownSpec{
             .n = matmul.n, .k = matmul.k, .residual = matmul.epilogue == Epilogue::kResidual}});
  }

  // The norm of the sum's input `norm`, added to the other one.
  Status fuse_added_norm(const Node& node, const Node& norm, ValueId other) {
    const auto [eps, heads] = attributes<NormAttributes>(norm);
    if (heads != 1) return unsupported(norm, fmt::format("it norms {} heads", heads));
    const auto k = static_cast<int64_t>(graph_.vectors[index(norm.weight)].values.size());
    BITNETC_ASSIGN_OR_RETURN(const int input, fused_value(norm, norm.inputs[0]));
    BITNETC_ASSIGN_OR_RETURN(const int residual, fused_value(node, other));
    fused_.insert(&norm);
    add({.kind = StepKind::kRmsNorm,
         .name = norm.name,
         .input = input,
         .output = define(node, round_up(k, kTileRows)),
         .residual = residual,
         .layer = norm.layer,
         .weights = {norm.weight},
         .spec = RmsNormSpec{.k = k, .eps = eps, .residual = true}});
    return {};
  }

  Status fuse_add(const Node& node) {
    for (size_t i = 0; i < 2; ++i) {
      const Node* norm = producers_[index(node.inputs[i])];
      if (norm != nullptr && norm->op == GraphOp::kRmsNorm && is_added(*norm))
        return fuse_added_norm(node, *norm, node.inputs[1 - i]);
    }
    for (size_t i = 0; i < 2; ++i) {
      const Node* linear = producers_[index(node.inputs[i])];
      const bool only_user = consumers_[index(node.inputs[i])].size() == 1;
      if (linear == nullptr || linear->op != GraphOp::kBitLinear || !only_user) continue;
      const Node* parts[] = {linear};
      BITNETC_ASSIGN_OR_RETURN(const int residual, fused_value(node, node.inputs[1 - i]));
      BITNETC_ASSIGN_OR_RETURN(const int output,
                               fuse_matmul(node, linear->name, parts, Epilogue::kResidual));
      fused_graph_.ops.back().residual = residual;
      skip_neurons_of_last_op();
      fused_values_[node.output] = output;
      return {};
    }
    return unsupported(node, "neither input is a linear layer used only here");
  }

  Status fuse_head(const Node& node) {
    const FloatTable& table = graph_.tables[index(node.weight)];
    BITNETC_ASSIGN_OR_RETURN(const int input, fused_value(node, node.inputs[0]));
    add({.kind = StepKind::kHead,
         .name = node.name,
         .input = input,
         .output = new_value(node.name, table.rows, BufferKind::kF32),
         .scored = true,
         .weights = {node.weight},
         .spec = HeadSpec{.n = table.rows, .k = table.columns, .type = table.type}});
    return {};
  }

  // One matmul out of linear layers that share their input. Returns its output value: `output`, of
  // which it writes the columns from `output_column` on, or a new one.
  Result<int> fuse_matmul(const Node& user, const std::string& name,
                          std::span<const Node* const> parts, Epilogue epilogue, int output = -1,
                          int64_t output_column = 0) {
    MatmulSpec spec{.epilogue = epilogue};
    FusedOp op{.kind = StepKind::kMatmul,
               .name = name,
               .output_column = output_column,
               .layer = user.layer};
    for (const Node* part : parts) {
      const TernarySource& source = graph_.ternary[index(part->weight)];
      spec.k = source.k;
      spec.n += round_up(source.n, kTileRows);
      op.weights.push_back(part->weight);
      op.parts.push_back({.name = source.name, .rows = source.n});
      fused_.insert(part);
    }
    if (is_gated(epilogue) && op.parts[0].rows != op.parts[1].rows)
      return unsupported(user, "gate and up differ in their number of rows");
    BITNETC_ASSIGN_OR_RETURN(op.input, fused_value(user, parts[0]->inputs[0]));
    if (fused_graph_.values[static_cast<size_t>(op.input)].kind != BufferKind::kQuantized)
      op.input = quantised(op.input, name + ".quantize", spec.k, op.layer);
    if (output < 0) output = new_value(name, spec.output_columns(), BufferKind::kF32);
    op.output = output;
    op.spec = spec;
    add(std::move(op));
    return output;
  }

  bool is_gated_output_of_last_op(int value) const {
    const FusedOp& last = fused_graph_.ops.back();
    const auto* matmul = std::get_if<MatmulSpec>(&last.spec);
    return matmul != nullptr && is_gated(matmul->epilogue) && last.output == value;
  }

  // Quantises the first k columns of a value, once for all who read it. A gated matmul just before
  // leaves the row absmax: the rows of its pad are zero and cannot change it.
  int quantised(int value, const std::string& name, int64_t k, int layer) {
    const auto [at, fresh] = quantised_.try_emplace(value);
    if (!fresh) return at->second;
    const bool absmax_is_left = is_gated_output_of_last_op(value);
    if (absmax_is_left) std::get<MatmulSpec>(fused_graph_.ops.back().spec).row_absmax = true;
    const QuantizeSpec spec{.k = k, .find_absmax = !absmax_is_left};
    at->second = new_value(name, spec.padded_k(), BufferKind::kQuantized);
    if (sparse_.contains(value)) sparse_.insert(at->second);
    add({.kind = StepKind::kQuantize,
         .name = name,
         .input = value,
         .output = at->second,
         .layer = layer,
         .spec = spec});
    return at->second;
  }

  void add(FusedOp op) { fused_graph_.ops.push_back(std::move(op)); }

  int new_value(const std::string& name, int64_t columns, BufferKind kind) {
    fused_graph_.values.push_back({.name = name, .kind = kind, .columns = columns});
    return static_cast<int>(fused_graph_.values.size()) - 1;
  }
  int define(const Node& node, int64_t columns, BufferKind kind = BufferKind::kF32) {
    return fused_values_[node.output] = new_value(node.name, columns, kind);
  }
  // The fused value of an input of `user`. A linear layer that no other node has taken becomes a
  // matmul of its own; a rotation by itself has none.
  Result<int> fused_value(const Node& user, ValueId value) {
    const auto found = fused_values_.find(value);
    if (found != fused_values_.end()) return found->second;
    const Node* producer = producers_[index(value)];
    if (producer->op != GraphOp::kBitLinear || fused_.contains(producer))
      return unsupported(user,
                         fmt::format("it uses {}, which is part of another step", producer->name));
    BITNETC_ASSIGN_OR_RETURN(const int output,
                             fuse_matmul(user, producer->name, {&producer, 1}, Epilogue::kScale));
    skip_neurons_of_last_op();
    return fused_values_[value] = output;
  }

  const Graph& graph_;
  const FuseOptions options_;
  std::vector<const Node*> producers_;
  std::vector<std::vector<const Node*>> consumers_;
  std::map<ValueId, int> fused_values_;
  std::map<int, int> quantised_;  // fused f32 value -> the same, quantised
  std::set<int> sparse_;          // fused values that are zero where a neuron is not active
  std::set<const Node*> fused_;
  FusedGraph fused_graph_;
};

}  // namespace

Result<FusedGraph> fuse(const Graph& graph, const FuseOptions& options) {
  return Fuser(graph, options).run();
}

}  // namespace bitnetc
