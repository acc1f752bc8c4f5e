#include "compiler/passes/memory.h"

namespace bitnetc {

MemoryPlan plan_memory(const FusedGraph& graph) {
  constexpr int kNever = -1;
  std::vector<int> last_use(graph.values.size(), kNever);
  for (size_t i = 0; i < graph.ops.size(); ++i) {
    for (int value : {graph.ops[i].input, graph.ops[i].output, graph.ops[i].residual})
      if (value >= 0) last_use[static_cast<size_t>(value)] = static_cast<int>(i);
  }

  MemoryPlan plan;
  plan.buffer_of_value.assign(graph.values.size(), kNever);
  std::vector<int> busy_until;  // by buffer: the last op that uses what it holds
  const auto take = [&](int value, int now) {
    const FusedValue& wanted = graph.values[static_cast<size_t>(value)];
    for (size_t b = 0; b < plan.buffers.size(); ++b) {
      const bool fits =
          plan.buffers[b].kind == wanted.kind && plan.buffers[b].columns == wanted.columns;
      if (fits && busy_until[b] < now) return static_cast<int>(b);
    }
    plan.buffers.push_back({.name = wanted.name, .kind = wanted.kind, .columns = wanted.columns});
    busy_until.push_back(kNever);
    return static_cast<int>(plan.buffers.size()) - 1;
  };

  for (size_t i = 0; i < graph.ops.size(); ++i) {
    const FusedOp& op = graph.ops[i];
    const int now = static_cast<int>(i);
    if (op.output < 0 || plan.buffer_of_value[static_cast<size_t>(op.output)] != kNever) continue;
    int buffer;
    if (op.residual >= 0 && last_use[static_cast<size_t>(op.residual)] == now) {
      buffer = plan.buffer_of_value[static_cast<size_t>(op.residual)];
    } else {
      buffer = take(op.output, now);
    }
    plan.buffer_of_value[static_cast<size_t>(op.output)] = buffer;
    busy_until[static_cast<size_t>(buffer)] = last_use[static_cast<size_t>(op.output)];
  }
  return plan;
}

}  // namespace bitnetc
