#include "codegen/matmul_work.h"

#include <algorithm>

#include "runtime/kernel_args.h"
#include "runtime/rounding.h"

namespace bitnetc {

std::string_view kind_name(GeneratorKind kind) {
  switch (kind) {
    case GeneratorKind::kGenerated: return "generated";
    case GeneratorKind::kCompiled: return "compiled";
    case GeneratorKind::kReference: return "reference";
  }
  return "?";
}

int tile_group_size(const MatmulSpec& spec, int tiles_per_step) {
  return std::max(tiles_per_step, spec.tiles_per_unit());
}

double padded_weights(const MatmulSpec& spec) {
  const WeightLayout layout = spec.weight_layout();
  return static_cast<double>(layout.padded_n()) * static_cast<double>(layout.padded_k());
}

double int8_operations(const MatmulSpec& spec, int64_t tokens) {
  return 2 * static_cast<double>(tokens) * padded_weights(spec);
}

int64_t weight_passes(const MatmulSpec& spec, int64_t tokens) {
  const int64_t most = spec.m == kAnyM ? kMaxTokensPerCall : spec.m;
  return ceil_div(tokens, most);
}

}  // namespace bitnetc
