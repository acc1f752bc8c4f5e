// The rows of a pass as every executor sees them, wherever its kernels run: checked, with pages
// reserved for them and taken down for the steps.
#pragma once

#include <cstdint>
#include <map>
#include <span>
#include <vector>

#include "runtime/exec/pass.h"
#include "runtime/executor.h"

namespace bitnetc {

class BatchRows {
 public:
  // Both outlive this.
  BatchRows(const ModelConfig& config, const KvPool& pool) : config_(config), pool_(pool) {}

  // Takes `batch` in the place of the one before; its sequences have pages for it then, and nothing
  // else has changed. Error: as Executor::run, but for what a pass itself can say.
  Status take(std::span<const BatchRow> batch);
  // Appends the rows to their sequences.
  void commit();

  std::span<Pass::Row> rows() { return rows_; }
  std::span<const Pass::Row> rows() const { return rows_; }
  std::span<const int32_t> scored() const { return scored_; }
  std::span<const LogitsNeed> needs() const { return needs_; }  // of the scored rows
  int64_t positions() const { return positions_; }              // of the longest sequence
  // Whose place among the scored rows is wanted; checked: it is one of them.
  int64_t scored_index(size_t row) const;
  // The rows in runs of at most `most` (1..kMostAttentionRows): of one sequence, at consecutive
  // positions.
  std::vector<Pass::Run> runs(int64_t most) const;
  // Whether what the model put out for the scored rows is finite: f32 [scored][stride].
  // Error: kDataCorrupt.
  Status check_finite(const float* output, int64_t columns, int64_t stride) const;

 private:
  Status check(std::span<const BatchRow> batch) const;
  Status reserve_pages(std::span<const BatchRow> batch);

  const ModelConfig& config_;
  const KvPool& pool_;
  std::vector<Pass::Row> rows_;
  std::vector<int32_t> scored_;
  std::vector<int32_t> scored_index_;  // by row; -1: not scored
  std::vector<LogitsNeed> needs_;
  int64_t positions_ = 0;
  std::map<Sequence*, int64_t> appended_;  // rows by sequence
};

// What a program buffer takes for the rows of a pass.
class BufferExtent {
 public:
  // `copies`: one of each worker, or one.
  BufferExtent(const BufferInfo& info, const BatchRows& batch, int64_t copies);

  size_t bytes() const { return static_cast<size_t>(elements_ * element_bytes_ * copies_); }
  Pass::Storage storage(uint8_t* base) const;

 private:
  const BufferInfo& info_;
  int64_t element_bytes_, copies_;
  int64_t elements_;  // of a copy
};

}  // namespace bitnetc
