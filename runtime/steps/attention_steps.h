// The steps that use the KV cache: rotation with append, and attention.
#pragma once

#include <algorithm>

#include "runtime/attention_scratch.h"
#include "runtime/steps/row_step.h"

namespace bitnetc {

// Rotates q and k of a fused row in place and appends k and v to the row's sequence.
class RopeAppendStep final : public RowStep {
 public:
  struct Operands {
    BoundSlice qkv;  // f32, in place
    int64_t layer = 0;
    int64_t q_heads = 0;
    int rope = 0;  // into Executable::rotations
    // Whether in passes with early heads the matmul before calls run_heads() instead.
    bool has_early_heads = false;
  };
  RopeAppendStep(StepBase base, Kernel kernel, const Operands& operands)
      : RowStep(std::move(base), std::move(kernel)), operands_(operands) {}

  std::string_view operation() const override { return "ropeappend"; }
  std::vector<Output> outputs() const override { return {{"qkv", operands_.qkv}}; }
  int64_t units(const Pass& pass) const override {
    return operands_.has_early_heads && pass.has_early_heads() ? 0 : RowStep::units(pass);
  }
  void run(const Pass& pass, Range units, int worker) const override;
  // Some query heads and kv heads of a row.
  void run_heads(const Pass& pass, int64_t row, Range q_heads, Range kv_heads) const;

 private:
  Operands operands_;
};

// What the two steps of attention share. With rows enough for all workers AttentionStep does all of
// it, and a unit is a run of rows and a kv head. Few rows over many positions are shared: a unit is
// a row, a kv head and one chunk of positions, first of its scores (AttentionScoresStep), then of
// its values (AttentionStep); whoever finishes the last chunk of a row and kv head adds them all.
class AttentionWork : public RowStep {
 public:
  struct Operands {
    BoundSlice q, out;  // f32 [q_heads * head_dim]
    BoundSlice scores;  // f32, per position and worker: runtime/attention_scratch.h
    int64_t layer = 0;
    int64_t q_per_kv = 1;
    int64_t window = 0;  // as AttentionSpec::window
    // Whether in passes with early heads the matmul before calls run_head(), unless chunks are
    // shared.
    bool has_early_heads = false;
  };

  std::string_view operation() const override { return "attention"; }
  bool has_unit_scratch() const override { return true; }

 protected:
  AttentionWork(StepBase base, Kernel kernel, const Operands& operands)
      : RowStep(std::move(base), std::move(kernel)), operands_(operands) {}

  // A row and kv head whose chunks are shared, and some of its chunks.
  struct SharedChunks {
    int64_t pair;        // row * kv_heads + kv head
    SeenPositions seen;  // by the row
    int64_t begin, end;  // of the chunks, from position 0
  };

  // Whether the workers share chunks in this pass.
  bool is_shared(const Pass& pass) const;
  int64_t shared_units(const Pass& pass) const {
    return pass.rows_of(*this) * pass.kv.kv_heads * most_chunks(pass);
  }
  // Calls body(SharedChunks) for the rows and kv heads that units of shared_units() belong to.
  template <typename Body>
  void for_each_pair(const Pass& pass, Range units, Body body) const;

  // Arguments for `rows` rows from `row` on and a kv head.
  AttentionArgs args(const Pass& pass, int64_t row, int64_t rows, int64_t kv_head,
                     float* scores) const;
  AttentionArgs args(const Pass& pass, const SharedChunks& chunks, AttentionArgs::Part part) const;
  // Chunks of the pair whose values are done; workers count it up together.
  int32_t& done(const Pass& pass, const SharedChunks& chunks) const;

  Operands operands_;

 private:
  AttentionScratch scratch(const Pass& pass) const {
    return {.head_dim = pass.kv.head_dim, .heads = operands_.q_per_kv};
  }
  SeenPositions seen(const Pass& pass, int64_t row) const {
    return seen_from(pass.rows[static_cast<size_t>(row)].position, operands_.window);
  }
  int64_t most_chunks(const Pass& pass) const;
  float* shared_scratch(const Pass& pass, int64_t pair) const;
};

class AttentionScoresStep final : public AttentionWork {
 public:
  AttentionScoresStep(StepBase base, Kernel kernel, const Operands& operands)
      : AttentionWork(std::move(base), std::move(kernel), operands) {}

  std::vector<Output> outputs() const override { return {}; }
  int64_t units(const Pass& pass) const override;
  void run(const Pass& pass, Range units, int worker) const override;
};

class AttentionStep final : public AttentionWork {
 public:
  AttentionStep(StepBase base, Kernel kernel, const Operands& operands)
      : AttentionWork(std::move(base), std::move(kernel), operands) {}

  std::vector<Output> outputs() const override { return {{"out", operands_.out}}; }
  int64_t units(const Pass& pass) const override;
  void run(const Pass& pass, Range units, int worker) const override;
  bool is_early(const Pass& pass) const {
    return operands_.has_early_heads && pass.has_early_heads() && !is_shared(pass);
  }
  // Of a pass of one row.
  void run_head(const Pass& pass, int64_t kv_head, int worker) const;
};

}  // namespace bitnetc
