// Stored weights to canonical ternary form. Pure functions of the tensor. Errors are kDataCorrupt
// and name the tensor and the first offending element.
#pragma once

#include <cstdint>
#include <vector>

#include "compiler/graph.h"
#include "frontend/hf/hf_config.h"
#include "frontend/safetensors/safetensors_file.h"
#include "runtime/status.h"

namespace bitnetc {

// The table type for a stored float type; nothing for integers, F64, the 8-bit floats and unknown
// types.
std::optional<FloatType> float_type_of(TensorType type);

// Fails if an element of a bf16/f16/f32 tensor is infinite or NaN.
Status check_finite(const StoredTensor& tensor);

// The factor to multiply by, from a one-element float tensor.
Result<float> read_weight_scale(const StoredTensor& tensor, ScaleRule rule);

// Packed weights:  u8 [R, k] with R = ceil(n / 4); bits 2i+1..2i of packed[r][c] hold
// trit (i*R + r, c) + 1.
Result<TernaryMatrix> unpack_ternary(const StoredTensor& packed, int64_t n, float scale);

// Float masters [n, k]:  m = max(mean |W|, 1e-5), trit = clamp(rint(W * (1/m)), -1, 1), scale = m
// or bf16(m). The mean accumulates in double in row-major order and is rounded once to fp32; the
// rest is fp32.
Result<TernaryMatrix> quantise_absmean(const StoredTensor& masters, MasterScale rule);

}  // namespace bitnetc
