#include "compiler/passes/bindings.h"

namespace bitnetc {

std::vector<Operand> step_operands(const KernelSpec& spec, const ModelConfig& config) {
  std::vector<Operand> list;
  const auto* rope = std::get_if<RopeAppendSpec>(&spec);
  const auto* embed = std::get_if<EmbedSpec>(&spec);
  const bool attention = std::holds_alternative<AttentionSpec>(spec);  // of one kv head
  for (Operand operand : operands(spec)) {
    if (operand.optional || operand.role == Role::kCache) continue;
    if (rope != nullptr && (operand.name == "cos" || operand.name == "sin")) continue;
    if (embed != nullptr && operand.role == Role::kWeight)
      operand.fixed = config.vocab_size * embed->k;
    if (attention && operand.per_row > 0) operand.per_row = config.q_heads * config.head_dim;
    // A program says that there is scratch; how much of it kernels want, link() knows.
    if (attention && operand.role == Role::kScratch) operand.per_position = 1;
    list.push_back(operand);
  }
  if (rope != nullptr)
    list.push_back({.name = "frequencies",
                    .role = Role::kWeight,
                    .type = ElementType::kF64,
                    .fixed = rope->head_dim / 2});
  return list;
}

}  // namespace bitnetc
