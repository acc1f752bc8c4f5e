// Where the time of forward passes goes, step by step.
#pragma once

#include <cstdint>
#include <span>
#include <string>
#include <vector>

#include "runtime/executor.h"
#include "runtime/output_file.h"
#include "runtime/status.h"

namespace bitnetc {

// The steps of one kind, over all layers and passes: "qkv_proj" of "layers.0.qkv_proj" and its like
// of other layers.
struct StepGroup {
  std::string name;
  int64_t runs = 0;
  double seconds = 0;
  double bytes = 0;  // of weights, scales and tables read in them
};

// What passes of one kind took.
struct PassProfile {
  int64_t passes = 0, rows = 0;
  double seconds = 0;             // of all passes, from their first step to their last
  std::vector<StepGroup> groups;  // in the order of a pass
};

class StepProfile {
 public:
  // `keeps_trace`: remembers every step for write_trace().
  explicit StepProfile(bool keeps_trace) : keeps_trace_(keeps_trace) {}

  void add(std::span<const StepTime> steps);
  const PassProfile& single_rows() const { return single_; }  // passes of one row: generation
  const PassProfile& batches() const { return batches_; }     // passes of several: prompts
  // The trace event format that chrome://tracing and Perfetto read: an event per step, times in
  // microseconds since the first.
  Status write_trace(OutputFile& file) const;

 private:
  bool keeps_trace_;
  PassProfile single_, batches_;
  std::vector<StepTime> trace_;
};

}  // namespace bitnetc
