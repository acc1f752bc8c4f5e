#include "runtime/executable.h"

namespace bitnetc {

int64_t Executable::bytes_per_token() const {
  int64_t total = 0;
  for (const LinkedStep& step : steps) {
    // The embedding is a look-up of one row; everything else is read whole.
    if (step.kind != StepKind::kEmbed) total += step.weight_bytes;
  }
  return total;
}

}  // namespace bitnetc
