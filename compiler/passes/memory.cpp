#include "compiler/passes/memory.h"

namespace bitnetc {
namespace {

constexpr int kNever = -1;

class MemoryPlanner {
 public:
  explicit MemoryPlanner(const FusedGraph& graph)
      : graph_(graph), last_use_(graph.values.size(), kNever), scored_(graph.values.size(), false) {
    plan_.of_value.resize(graph.values.size());
    for (size_t i = 0; i < graph.ops.size(); ++i) {
      const FusedOp& op = graph.ops[i];
      for (const int value : {op.input, op.output, op.residual, op.second})
        if (value >= 0) last_use_[index(value)] = static_cast<int>(i);
      if (op.output >= 0) scored_[index(op.output)] = op.scored;
    }
  }

  MemoryPlan run() && {
    for (size_t i = 0; i < graph_.ops.size(); ++i) place_output(graph_.ops[i], static_cast<int>(i));
    place_scratch();
    return std::move(plan_);
  }

 private:
  static size_t index(int value) { return static_cast<size_t>(value); }

  void place_output(const FusedOp& op, int now) {
    if (op.output < 0 || plan_.of_value[index(op.output)].values != kNever) return;
    ValueBuffers& output = plan_.of_value[index(op.output)];
    if (op.residual >= 0 && last_use_[index(op.residual)] == now) {
      output = plan_.of_value[index(op.residual)];
    } else {
      output = take(op.output, now);
    }
    busy_until_[index(output.values)] = last_use_[index(op.output)];
  }

  // Free buffers of the same form, or new ones.
  ValueBuffers take(int value, int now) {
    const FusedValue& wanted = graph_.values[index(value)];
    const bool quantized = wanted.kind == BufferKind::kQuantized;
    const ElementType type = quantized ? ElementType::kI8 : ElementType::kF32;
    for (const ValueBuffers& each : taken_) {
      const BufferInfo& buffer = plan_.buffers[index(each.values)];
      if (buffer.type == type && buffer.per_row == wanted.columns &&
          buffer.scored == scored_[index(value)] && busy_until_[index(each.values)] < now)
        return each;
    }
    ValueBuffers fresh{.values = add({.name = wanted.name,
                                      .type = type,
                                      .per_row = wanted.columns,
                                      .scored = scored_[index(value)]})};
    if (quantized) {
      fresh.scale = add({.name = wanted.name + ".scale", .per_row = 1});
      fresh.sum = add({.name = wanted.name + ".sum", .type = ElementType::kI32, .per_row = 1});
    }
    taken_.push_back(fresh);
    return fresh;
  }

  void place_scratch() {
    for (const FusedOp& op : graph_.ops) {
      const auto* matmul = std::get_if<MatmulSpec>(&op.spec);
      if (matmul != nullptr && matmul->row_absmax && plan_.row_absmax == kNever)
        plan_.row_absmax = add({.name = "row_absmax", .per_row = 1, .per_worker = true});
      if (std::holds_alternative<AttentionSpec>(op.spec) && plan_.scores == kNever)
        plan_.scores = add({.name = "scores", .per_position = 1, .per_worker = true});
    }
  }

  int add(BufferInfo buffer) {
    plan_.buffers.push_back(std::move(buffer));
    busy_until_.push_back(kNever);
    return static_cast<int>(plan_.buffers.size()) - 1;
  }

  const FusedGraph& graph_;
  std::vector<int> last_use_;    // by value: the last op that uses it
  std::vector<bool> scored_;     // by value
  std::vector<int> busy_until_;  // by buffer: the last op that uses what it holds
  std::vector<ValueBuffers> taken_;
  MemoryPlan plan_;
};

}  // namespace

MemoryPlan plan_memory(const FusedGraph& graph) {
  return MemoryPlanner(graph).run();
}

}  // namespace bitnetc
