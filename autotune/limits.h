// What this machine can reach, measured once and remembered: the roofline that predictions and percentages refer to.
#pragma once

#include <utility>
#include <vector>

#include "runtime/target.h"

namespace bitnetc {

struct MachineLimits {
  int threads = 1;
  double read_bytes_per_second = 0;
  std::vector<std::pair<Isa, double>> int8_operations_per_second;

  double peak_of(Isa isa) const;  // 0 when unknown
};

}  // namespace bitnetc
