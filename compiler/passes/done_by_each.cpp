#include "compiler/passes/done_by_each.h"

#include <algorithm>
#include <set>

#include "compiler/passes/bindings.h"

namespace bitnetc {
namespace {

class EachFinder {
 public:
  EachFinder(const Program& program, const ModelConfig& config)
      : program_(program), buffers_(program.buffers.size(), true) {
    for (const Step& step : program.steps) uses_.push_back(uses_of(step, config));
    for (const Uses& uses : uses_) steps_.push_back(uses.quantizes);
  }

  // Takes steps and buffers out until those that are left need no other.
  DoneByEach run() && {
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
    return {.steps = std::move(steps_), .buffers = std::move(buffers_)};
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

  const Program& program_;
  std::vector<Uses> uses_;     // by step
  std::vector<bool> steps_;    // by step: each worker does it
  std::vector<bool> buffers_;  // by buffer: each worker has a copy
  bool changed_ = false;
};

}  // namespace

DoneByEach find_done_by_each(const Program& program, const ModelConfig& config) {
  return EachFinder(program, config).run();
}

}  // namespace bitnetc
