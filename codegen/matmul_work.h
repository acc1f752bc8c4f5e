// What a matmul kernel does in one call, counted by its generator beside the code it emits: what a
// cost model needs to know of a kernel. Counts, not times; nothing here depends on the machine.
#pragma once

#include <cstdint>
#include <string_view>

#include "codegen/kernel_plan.h"
#include "codegen/kernel_spec.h"
#include "runtime/target.h"

namespace bitnetc {

// Where a generator's code comes from.
enum class GeneratorKind {  // the fastest first
  kGenerated,               // written for the spec and plan when they are known
  kCompiled,                // ahead of time, shapes at run time; ignores plans
  kReference,               // the definition of the result, in plain C++: serves everything, slowly
};
std::string_view kind_name(GeneratorKind kind);  // "generated", "compiled", "reference"

struct MatmulWork {
  enum class Strategy {
    kDirect,  // decodes into registers and multiplies there
    kPanel,   // decodes a chunk of columns to bytes in memory, then multiplies it with all tokens
    kLookUp,  // adds up sums that it reads from lookup tables (MatmulArgs::tables)
  };
  Strategy strategy = Strategy::kDirect;
  Isa tier = Isa::kScalar;  // whose instructions do the work

  // Weights
  int64_t passes = 1;      // over the packed weights, in one call
  int streams = 1;         // of weights that a pass reads side by side
  int prefetch_bytes = 0;  // how far ahead of a stream
  // Per weight of the padded matrix and pass, in vector instructions of the tier.
  double decode_operations = 0;  // that unpack codes, or find a sum and add it
  double decode_stores = 0;      // of decoded codes; kPanel only

  // Multiplication, of all tokens and passes
  double multiply_operations = 0;  // int8 multiplications and additions
  int independent_sums = 0;        // that take turns in the multiplier; 0: more than it can use
  double loads_per_product = 0;    // vector loads per multiplying instruction

  // Caches
  int64_t panel_bytes = 0;     // of a decoded chunk
  double sums_bytes = 0;       // of int32 sums, read and written again for every chunk
  double tables_read = 0;      // bytes of lookup tables per pass
  int64_t tables_written = 0;  // bytes of lookup tables that a call needs made before
};

// An unroll unit: the columns that DirectPlan::k_unroll counts in kernels that walk over blocks.
inline constexpr int kUnrollColumns = 16;
// Tiles of a tile group: as many as the plan's field says, but at least a unit.
int tile_group_size(const MatmulSpec& spec, int tiles_per_step);

// Of the packed matrix, pads included.
double padded_weights(const MatmulSpec& spec);
// A multiplication and an addition for every weight and token.
double int8_operations(const MatmulSpec& spec, int64_t tokens);
// Passes over the weights that a call with `tokens` tokens takes.
int64_t weight_passes(const MatmulSpec& spec, int64_t tokens);

}  // namespace bitnetc
