#include "compiler/passes/one_row_pass.h"

#include <algorithm>
#include <set>

#include "compiler/passes/bindings.h"

namespace bitnetc {
namespace {

class OneRowPlanner {
 public:
  OneRowPlanner(const Program& program, const ModelConfig& config)
      : program_(program), buffers_(program.buffers.size(), true) {
    for (const Step& step : program.steps) uses_.push_back(uses_of(step, config));
    for (const Uses& uses : uses_) steps_.push_back(uses.quantizes);
  }

  // Takes steps and buffers out until those that are left need no other.
  OneRowPass run() && {
    do {
      changed_ = false;
      for (size_t i = 0; i < uses_.size(); ++i) {
        keep_copies_apart(i);
        if (steps_[i] && (!has_copies_only(i) || is_overtaken(i))) drop(steps_, i);
      }
    } while (changed_);
    for (size_t b = 0; b < buffers_.size(); ++b)
      buffers_[b] = buffers_[b] && std::ranges::any_of(uses_, [&](const Uses& uses) {
                      return uses.written.contains(static_cast<int>(b));
                    });
    std::vector<bool> early(uses_.size(), false);
    for (size_t i = 0; i + 2 < uses_.size(); ++i)
      if (have_early_heads(i)) early[i] = early[i + 1] = early[i + 2] = true;
    return {.done_by_each = std::move(steps_),
            .written_by_each = std::move(buffers_),
            .has_early_heads = std::move(early)};
  }

 private:
  struct Uses {  // of buffers
    std::set<int> read, written;
    bool quantizes = false;
    bool reads_copies = false;  // takes the copies of the worker that runs it
  };

  static Uses uses_of(const Step& step, const ModelConfig& config) {
    const KernelSpec spec = parse_spec(step.kernel).value();
    Uses uses{.quantizes = !step.scored && (std::holds_alternative<NormQuantizeSpec>(spec) ||
                                            std::holds_alternative<QuantizeSpec>(spec)),
              .reads_copies = std::holds_alternative<MatmulSpec>(spec) ||
                              std::holds_alternative<SparseUpSpec>(spec) ||
                              std::holds_alternative<SparseDownSpec>(spec)};
    for (const Operand& operand : step_operands(spec, config)) {
      const int buffer = step.operand(operand.name)->slice.buffer;
      if (buffer < 0) continue;
      if (operand.role != Role::kOutput) uses.read.insert(buffer);
      if (operand.role != Role::kInput) uses.written.insert(buffer);
    }
    return uses;
  }

  void drop(std::vector<bool>& from, size_t i) {
    changed_ = changed_ || from[i];
    from[i] = false;
  }

  // Only steps that each worker does write copies, and only those that know of copies read them.
  void keep_copies_apart(size_t i) {
    if (!steps_[i])
      for (const int buffer : uses_[i].written) drop(buffers_, static_cast<size_t>(buffer));
    if (!uses_[i].reads_copies)
      for (const int buffer : uses_[i].read) drop(buffers_, static_cast<size_t>(buffer));
  }

  bool has_copies_only(size_t i) const {
    return std::ranges::all_of(uses_[i].written,
                               [&](int buffer) { return buffers_[static_cast<size_t>(buffer)]; });
  }

  // Whether a worker that is ahead may write what step `i` reads.
  bool is_overtaken(size_t i) const { return is_overtaken(i, false) || is_overtaken(i, true); }
  bool is_overtaken(size_t i, bool skips_neurons) const {
    for (size_t later = i + 1; later < uses_.size(); ++later) {
      if (!runs_in_pass(program_.steps[later].rows, skips_neurons)) continue;
      for (const int buffer : uses_[i].read)
        if (uses_[later].written.contains(buffer)) return true;
      if (!steps_[later]) return false;
    }
    return false;
  }

  // Steps i to i + 2: a matmul of q, k and v, rotated in place, and attention.
  bool have_early_heads(size_t i) const {
    const Step &matmul = program_.steps[i], &rope = program_.steps[i + 1],
               &attention = program_.steps[i + 2];
    if (matmul.operation() != "matmul" || rope.operation() != "ropeappend" ||
        attention.operation() != "attention" || rope.layer != attention.layer)
      return false;
    const Slice& qkv = rope.operand("qkv")->slice;
    if (matmul.operand("y")->slice != qkv || attention.operand("q")->slice.buffer != qkv.buffer)
      return false;
    std::set<int> read = uses_[i].read;
    for (size_t before = i; before > 0 && steps_[before - 1]; --before)
      read.insert(uses_[before - 1].read.begin(), uses_[before - 1].read.end());
    return std::ranges::none_of(read, [&](int buffer) {
      return uses_[i + 1].written.contains(buffer) || uses_[i + 2].written.contains(buffer);
    });
  }

  const Program& program_;
  std::vector<Uses> uses_;     // by step
  std::vector<bool> steps_;    // by step: each worker does it
  std::vector<bool> buffers_;  // by buffer: each worker has a copy
  bool changed_ = false;
};

}  // namespace

OneRowPass plan_one_row_pass(const Program& program, const ModelConfig& config) {
  return OneRowPlanner(program, config).run();
}

}  // namespace bitnetc
