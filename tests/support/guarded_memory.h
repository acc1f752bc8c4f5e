// Operands between guard pages (tests/support/guarded_buffer.h).
#pragma once

#include <algorithm>
#include <deque>

#include "codegen/proof/problem.h"
#include "tests/support/guarded_buffer.h"

namespace bitnetc::test {

class GuardedMemory final : public proof::OperandMemory {
 public:
  explicit GuardedMemory(Edge edge) : edge_(edge) {}
  void* allocate(size_t bytes) override { return buffers_.emplace_back(bytes, edge_).data(); }
  // Whether nothing was written beside an operand.
  bool slack_intact() const {
    return std::ranges::all_of(buffers_, [](const auto& b) { return b.slack_intact(); });
  }

 private:
  Edge edge_;
  std::deque<GuardedBuffer<uint8_t>> buffers_;
};

}  // namespace bitnetc::test
