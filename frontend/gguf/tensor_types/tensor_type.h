// Which packing a tensor has. A type number alone does not say: forks of ggml gave one number to
// several packings, and only the size tells them apart.
#pragma once

#include <cstdint>
#include <optional>
#include <span>
#include <string>
#include <string_view>
#include <vector>

#include "frontend/gguf/gguf_file.h"
#include "runtime/status.h"

namespace bitnetc::gguf {

// What share one factor in a ternary packing.
enum class FactorSpan { kMatrix, kRow, kBlock };

struct TensorType {
  std::string_view name;  // "I2_S"
  uint32_t id = 0;
  int64_t block_elements = 1;  // stored together
  int64_t block_bytes = 0;
  int64_t row_bytes = 0;      // in front of every row
  int64_t tail_bytes = 0;     // behind the matrix
  bool crosses_rows = false;  // blocks run over the ends of rows
  // Of a float packing; null for others.
  void (*widen)(const uint8_t* bytes, int64_t count, float* values) = nullptr;
  // Of a ternary packing; null for others. Neither: the packing is known, not read.
  void (*decode)(std::span<const uint8_t> bytes, int64_t n, int64_t k, int8_t* trits,
                 std::vector<float>* factors) = nullptr;
  FactorSpan factors = FactorSpan::kMatrix;
  std::string_view why_not = {};  // why it is not read, as the end of a message

  // The bytes of a tensor of these extents; nothing when its rows do not divide into blocks, or the
  // number overflows.
  std::optional<uint64_t> stored_bytes(std::span<const int64_t> extents) const;
};

// A tensor and what it is.
struct TypedTensor {
  const GgufTensor* tensor = nullptr;
  const TensorType* type = nullptr;
  std::span<const uint8_t> bytes;  // stored_bytes() of them
};

// Error: kUnsupported naming the tensor, its type number and its size for a packing that is not
// read or cannot be told; kDataCorrupt where the file has not the bytes that the type needs.
Result<TypedTensor> identify(const GgufTensor& tensor);

// The row of the table with this name, for those who write. Aborts for a name that is not there.
const TensorType& tensor_type(std::string_view name);

}  // namespace bitnetc::gguf
