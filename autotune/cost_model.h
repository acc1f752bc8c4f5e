// How long a matmul should take, from bytes and operations against the machine's measured limits. It prunes candidates
// before anything is measured and answers where nothing was; docs say how far it is off.
#pragma once

#include "autotune/limits.h"
#include "autotune/search_space.h"

namespace bitnetc {

struct CostPrediction {
  double memory_s = 0;        // packed weights at the read bandwidth
  double multiply_s = 0;      // products at the peak of the tier's unit
  double decode_s = 0;        // unpacking or looking up, at the vector units' speed
  double tables_s = 0;        // building what is looked up
  double seconds() const;     // of a call
  const char* bound() const;  // "memory", "multiply", "decode": what takes longest
};

CostPrediction predict(const Candidate& candidate, int64_t tokens, const MachineLimits& limits);

}  // namespace bitnetc
