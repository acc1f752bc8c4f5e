// Cosines and sines of the positions seen so far, made when a position is first used: memory and
// time follow the context in use, not the longest one a model allows. The numbers are those of
// math::rope_row on every machine.
#pragma once

#include <algorithm>
#include <span>
#include <vector>

#include "runtime/exec/pass.h"
#include "runtime/math.h"
#include "runtime/rounding.h"

namespace bitnetc {

class RopeRows {
 public:
  // What `rotation` points to outlives this.
  explicit RopeRows(const Executable::Rotation& rotation) : rotation_(rotation) {}

  // Makes the rows of positions [0, count), in steps of a page.
  void reserve(int64_t count) {
    const size_t half = rotation_.frequencies.size();
    if (count <= rows_) return;
    const auto end = round_up(count, KvLayout::kPagePositions);
    cos_.resize(static_cast<size_t>(end) * half);
    sin_.resize(static_cast<size_t>(end) * half);
    for (; rows_ < end; ++rows_) {
      const size_t at = static_cast<size_t>(rows_) * half;
      math::rope_row(rows_, rotation_.frequencies, rotation_.amplitude, cos_.data() + at,
                     sin_.data() + at);
    }
  }
  int64_t rows() const { return rows_; }
  Pass::RopeTable table() const {
    return {.cos = cos_.data(),
            .sin = sin_.data(),
            .half = static_cast<int64_t>(rotation_.frequencies.size())};
  }
  int64_t memory_bytes() const {
    return static_cast<int64_t>((cos_.capacity() + sin_.capacity()) * sizeof(float));
  }

 private:
  Executable::Rotation rotation_;
  std::vector<float> cos_, sin_;  // [position][half]
  int64_t rows_ = 0;
};

}  // namespace bitnetc
