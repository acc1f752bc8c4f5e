// What the steps of the screened head (docs/screened-head.md) know of the scored rows of a pass:
// kept by a CpuExecutor from pass to pass, written by the steps of one. No step allocates.
#pragma once

#include <algorithm>
#include <cstdint>
#include <span>
#include <vector>

#include "runtime/buffer.h"
#include "runtime/executor.h"
#include "runtime/kernel_args.h"

namespace bitnetc {

struct ScreenOperands;

class ScreenState {
 public:
  // Of a pass. Each takes 8 bytes per row of the head.
  static constexpr int64_t kMostRows = 64;

  // A scored row. Sums, scales and codes of all rows lie side by side, as kernels want them.
  struct Row {
    LogitsNeed need;
    float norm = 0;       // at least that of the hidden row
    float threshold = 0;  // every logit from here on is computed
    int64_t probed = 0;   // of best(): the first so many are computed, too
  };

  explicit ScreenState(const ScreenOperands& operands);

  // Whether a pass with these needs is to be screened: at most kMostRows rows that want only their
  // greatest logits, and screening has paid lately.
  bool accepts(std::span<const LogitsNeed> needs);
  // Makes room for them. May throw std::bad_alloc.
  void begin(std::span<const LogitsNeed> needs);
  // After a pass: what it read decides how the next ones begin.
  void end();
  // The ids of row `row` whose logits are computed, ascending.
  std::vector<int32_t> computed_ids(int64_t row) const;
  const ScreenStats& stats() const { return stats_; }
  int64_t memory_bytes() const;

  int64_t rows() const { return static_cast<int64_t>(rows_.size()); }
  // Parts of the head that one unit of work looks through.
  int64_t segments() const { return segments_; }
  int64_t segment_begin(int64_t segment) const { return segment * segment_rows_; }
  int64_t segment_end(int64_t segment) const { return std::min((segment + 1) * segment_rows_, n_); }
  Row& row(int64_t i) { return rows_[static_cast<size_t>(i)]; }
  const Row& row(int64_t i) const { return rows_[static_cast<size_t>(i)]; }

  // Set by the steps that find that a row cannot be screened; the head runs in full then. A step
  // may ask only for what an earlier one has set: all workers must see the same.
  void cannot_split(int64_t row) { split_failed_[row] = true; }
  void give_up(int64_t row) { gave_up_[row] = true; }
  bool is_split() const { return std::ranges::count(split_failed_, true) == 0; }
  bool gave_up() const { return !is_split() || std::ranges::count(gave_up_, true) > 0; }
  // Whether estimates of all rows of the head use both parts at once.
  bool both_parts() const { return both_parts_; }

  int8_t* high(int64_t row) { return high_.data() + row * padded_k_; }
  int8_t* low(int64_t row) { return low_.data() + row * padded_k_; }
  int32_t* high_sum() { return high_sum_; }
  int32_t* low_sum() { return low_sum_; }
  float* scale() { return scale_; }
  float* estimates(int64_t row) { return estimates_.data() + row * n_; }
  // The ids with the greatest estimates of each segment.
  std::span<int32_t> best(int64_t row) {
    return std::span(best_).subspan(static_cast<size_t>(row * segments_),
                                    static_cast<size_t>(segments_));
  }
  // Room for ids of a segment, and how many stand there: those whose logits are computed.
  int32_t* found(int64_t row, int64_t segment) {
    return found_.data() + row * n_ + segment_begin(segment);
  }
  const int32_t* found(int64_t row, int64_t segment) const {
    return found_.data() + row * n_ + segment_begin(segment);
  }
  // What the refining of a segment came to.
  struct Counts {
    int32_t found = 0, refined = 0;  // ids computed in full; ids that needed the fine part
  };
  Counts& counts(int64_t row, int64_t segment) {
    return counts_[static_cast<size_t>(row * segments_ + segment)];
  }
  const Counts& counts(int64_t row, int64_t segment) const {
    return counts_[static_cast<size_t>(row * segments_ + segment)];
  }

 private:
  const int64_t n_, padded_k_, segment_rows_, segments_;
  std::vector<Row> rows_;
  bool split_failed_[kMostRows] = {}, gave_up_[kMostRows] = {};
  Buffer<int8_t> high_, low_;
  int32_t high_sum_[kMostRows] = {}, low_sum_[kMostRows] = {};
  float scale_[kMostRows] = {};
  Buffer<float> estimates_;
  Buffer<int32_t> found_;
  std::vector<int32_t> best_;
  std::vector<Counts> counts_;
  bool both_parts_ = false;
  int until_retry_ = 0;  // passes before both_parts_ or the full head are left again
  bool pays_ = true;
  ScreenStats stats_;
};

}  // namespace bitnetc
