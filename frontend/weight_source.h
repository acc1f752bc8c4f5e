// Where a family finds its weights, whatever the file format spells them like: a family asks by
// name and shape, the source checks both and converts to what a Graph holds.
//
// Names are those of a Hugging Face checkpoint without their ".weight":
// "model.layers.3.mlp.up_proj".
#pragma once

#include <string>

#include "compiler/graph.h"
#include "runtime/status.h"

namespace bitnetc {

class WeightSource {
 public:
  virtual ~WeightSource() = default;

  // Errors of all three: kNotFound for a weight that is missing, kDataCorrupt for another shape, a
  // type that cannot be used or a value that is not finite, naming the file, the weight, what was
  // found and what was expected.

  // A projection [n, k]. Read and checked when it is loaded; what it returns outlives the source.
  virtual Result<TernarySource> ternary(const std::string& name, int64_t n, int64_t k) = 0;
  // An embedding or head table [rows, columns]; may point into a mapped file, which it keeps alive.
  virtual Result<FloatTable> table(const std::string& name, int64_t rows, int64_t columns) = 0;
  // A norm weight [length], widened to fp32.
  virtual Result<FloatVector> vector(const std::string& name, int64_t length) = 0;
};

}  // namespace bitnetc
