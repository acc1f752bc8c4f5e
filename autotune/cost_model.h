// How long a matmul should take, from bytes and operations against the machine's measured limits.
// It prunes candidates before anything is measured and answers where nothing was; docs/tuning.md
// says how far it is off.
#pragma once

#include "autotune/limits.h"
#include "autotune/search_space.h"

namespace bitnetc {

struct CostPrediction {
  double memory_s = 0;    // packed weights at the read bandwidth
  double multiply_s = 0;  // products at the peak of the tier's unit
  double decode_s = 0;    // unpacking or looking up, at the vector units' speed
  double tables_s = 0;    // building lookup tables
  // Of the shorter of memory and work, the share that the longer one does not hide.
  double exposed = 1;

  double seconds() const;     // of a call
  const char* bound() const;  // "memory", "multiply", "decode": what takes longest
};

// `limits`: of as many threads as share the call. Limits that are unknown (0) are replaced by low
// ones, so that a prediction is always above zero and finite; candidates of one machine can still
// be compared.
CostPrediction predict(const Candidate& candidate, int64_t tokens, const MachineLimits& limits);

}  // namespace bitnetc
