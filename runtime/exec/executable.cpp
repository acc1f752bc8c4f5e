#include "runtime/executable.h"

namespace bitnetc {

int64_t Executable::bytes_per_token() const {
  int64_t total = 0;
  for (const auto& step : steps) total += step->weight_bytes();
  return total;
}

}  // namespace bitnetc
