// Predicts how long a matmul takes: its bytes and operations against the machine's measured limits.
// The model prunes candidates before measuring and answers where nothing was measured.
// docs/tuning.md says how far off it is.
#pragma once

#include "autotune/limits.h"
#include "autotune/search_space.h"

namespace bitnetc {

struct CostPrediction {
  double memory_s = 0;    // packed weights at the read bandwidth
  double multiply_s = 0;  // products at the peak of the tier's unit
  double decode_s = 0;    // unpacking or looking up, at the vector units' speed
  double tables_s = 0;    // building lookup tables
  // The share of the shorter of memory and work that the longer one does not hide.
  double exposed = 1;

  double seconds() const;     // of a call
  const char* bound() const;  // "memory", "multiply", "decode": what takes longest
};

// `limits`: those of as many threads as share the call. Low values replace unknown limits (0), so
// that a prediction is positive and finite and candidates of one machine can still be compared.
CostPrediction predict(const Candidate& candidate, int64_t tokens, const MachineLimits& limits);

}  // namespace bitnetc
