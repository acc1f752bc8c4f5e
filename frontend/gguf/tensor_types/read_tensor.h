// Tensors of a GGUF file to what a Graph holds. Pure functions of the tensor; errors are
// kDataCorrupt (kUnsupported for a type that cannot serve) and name the tensor and the first
// offending element.
#pragma once

#include <optional>
#include <vector>

#include "compiler/graph.h"
#include "frontend/gguf/tensor_types/tensor_type.h"
#include "runtime/status.h"

namespace bitnetc::gguf {

// A matrix of extents [k, n] whose values are {-s, 0, +s}, whatever it is stored as. `factor`
// multiplies every value: the file's tensor NAME.scale, if it has one. Factors of blocks that
// differ stay apart (Scales::kRow, kGroup); those of blocks of zeros mean nothing and are not
// compared. A matrix of zeros has the scale that its file says, or, where there is no positive one,
// the least scale that quantising makes.
Result<TernaryMatrix> read_ternary(const TypedTensor& stored, std::optional<float> factor);

// A table of extents [columns, rows]: F32, F16 and BF16 as they are, where they lie; other float
// types widened to an fp32 table of its own, ternary ones with fp16 factors to an fp16 one.
Result<FloatTable> read_table(const TypedTensor& stored);

// F32, F16 or BF16, widened.
Result<std::vector<float>> read_vector(const TypedTensor& stored);

}  // namespace bitnetc::gguf
