#include "frontend/hf/ternary_weights.h"

#include <algorithm>
#include <bit>
#include <cmath>

#include "runtime/math.h"
#include "runtime/printable.h"

namespace bitnetc {
namespace {

constexpr float kScaleFloor = 1e-5f;

// Calls visit(first_index, values) over the whole tensor, a block at a time in order.
template <typename Visit>
Status for_each_block(const StoredTensor& tensor, const Visit& visit) {
  const auto type = float_type_of(tensor.type);
  if (!type)
    return make_error(StatusCode::kDataCorrupt, "{}: dtype is {}, expected BF16, F16 or F32",
                      tensor.label(), printable(tensor.dtype));
  constexpr int64_t kBlock = 4096;
  float values[kBlock];
  for (int64_t first = 0; first < tensor.elements; first += kBlock) {
    const int64_t count = std::min(kBlock, tensor.elements - first);
    math::widen(*type, tensor.bytes.data() + first * float_type_bytes(*type), count, values);
    BITNETC_RETURN_IF_ERROR(
        visit(first, std::span<const float>(values, static_cast<size_t>(count))));
  }
  return {};
}

Status check_finite_block(const StoredTensor& tensor, int64_t first,
                          std::span<const float> values) {
  // All exponent bits set means infinite or NaN. No early exit, so that the scan vectorises.
  uint32_t special = 0;
  for (float value : values) {
    const uint32_t exponent = std::bit_cast<uint32_t>(value) & 0x7f800000u;
    special |= static_cast<uint32_t>(exponent == 0x7f800000u);
  }
  if (special == 0) return {};
  const auto bad =
      std::find_if(values.begin(), values.end(), [](float value) { return !std::isfinite(value); });
  int64_t index = first + (bad - values.begin());
  std::vector<int64_t> place(tensor.shape.size());
  for (size_t d = place.size(); d-- > 0;) {
    place[d] = index % tensor.shape[d];
    index /= tensor.shape[d];
  }
  return make_error(StatusCode::kDataCorrupt, "{}: element {} is {}, expected a finite number",
                    tensor.label(), shape_text(place), *bad);
}

Status code_three_error(const StoredTensor& packed, int64_t n, int64_t columns) {
  const int64_t packed_rows = packed.shape[0];
  for (int64_t row = 0; row < n; ++row)
    for (int64_t column = 0; column < columns; ++column) {
      const uint8_t byte = packed.bytes[static_cast<size_t>(row % packed_rows * columns + column)];
      if (((byte >> (2 * (row / packed_rows))) & 3) == 3)
        return make_error(StatusCode::kDataCorrupt,
                          "{}: row {}, column {} holds code 3, expected 0, 1 or 2", packed.label(),
                          row, column);
    }
  BITNETC_CHECK(false, "no code 3 in {}", packed.name);
}

}  // namespace

std::optional<FloatType> float_type_of(TensorType type) {
  switch (type) {
    case TensorType::kF32: return FloatType::kF32;
    case TensorType::kF16: return FloatType::kF16;
    case TensorType::kBf16: return FloatType::kBf16;
    default: return std::nullopt;
  }
}

Status check_finite(const StoredTensor& tensor) {
  return for_each_block(tensor, [&](int64_t first, std::span<const float> values) {
    return check_finite_block(tensor, first, values);
  });
}

Result<float> read_weight_scale(const StoredTensor& tensor, ScaleRule rule) {
  const auto type = float_type_of(tensor.type);
  if (!type || tensor.elements != 1)
    return make_error(StatusCode::kDataCorrupt,
                      "{}: is {} {}, expected one element of BF16, F16 or F32", tensor.label(),
                      printable(tensor.dtype), shape_text(tensor.shape));
  float stored = 0;
  math::widen(*type, tensor.bytes.data(), 1, &stored);
  const float scale = rule == ScaleRule::kMultiply ? stored : 1.0f / stored;
  if (!(std::isfinite(stored) && stored > 0 && std::isfinite(scale)))
    return make_error(StatusCode::kDataCorrupt, "{}: is {}, expected a positive number{}",
                      tensor.label(), stored,
                      rule == ScaleRule::kDivide ? " with a finite reciprocal" : "");
  return scale;
}

Result<TernaryMatrix> unpack_ternary(const StoredTensor& packed, int64_t n, float scale) {
  BITNETC_CHECK(
      packed.type == TensorType::kU8 && packed.shape.size() == 2 && packed.shape[0] == (n + 3) / 4,
      "{} {} for {} rows", printable(packed.dtype), shape_text(packed.shape), n);
  const int64_t packed_rows = packed.shape[0], columns = packed.shape[1];
  TernaryMatrix matrix{.n = n, .k = columns, .trits = {}, .scales = Scales::of_tensor(scale)};
  matrix.trits.resize(static_cast<size_t>(n * columns));
  int highest = 0;
  for (int64_t row = 0; row < n; ++row) {
    const uint8_t* in = packed.bytes.data() + row % packed_rows * columns;
    int8_t* out = matrix.trits.data() + row * columns;
    const int shift = static_cast<int>(2 * (row / packed_rows));
    for (int64_t column = 0; column < columns; ++column) {
      const int code = (in[column] >> shift) & 3;
      highest = std::max(highest, code);
      out[column] = static_cast<int8_t>(code - 1);
    }
  }
  if (highest == 3) return code_three_error(packed, n, columns);
  return matrix;
}

Result<TernaryMatrix> quantise_absmean(const StoredTensor& masters, MasterScale rule) {
  BITNETC_CHECK(masters.shape.size() == 2 && masters.elements > 0, "shape {}",
                shape_text(masters.shape));
  double sum = 0;
  BITNETC_RETURN_IF_ERROR(for_each_block(masters, [&](int64_t, std::span<const float> values) {
    for (float value : values) sum += std::fabs(static_cast<double>(value));
    return Status();
  }));
  // No sum of finite fp32 magnitudes leaves double: this one says which element is not finite.
  if (!std::isfinite(sum)) return check_finite(masters);
  const float mean = static_cast<float>(sum / static_cast<double>(masters.elements));
  const float m = std::max(mean, kScaleFloor);
  const float inverse = 1.0f / m;

  const float scale = rule == MasterScale::kBf16 ? math::widen_bf16(math::round_to_bf16(m)) : m;
  TernaryMatrix matrix{.n = masters.shape[0],
                       .k = masters.shape[1],
                       .trits = {},
                       .scales = Scales::of_tensor(scale)};
  if (!std::isfinite(matrix.scales.values[0]))
    return make_error(StatusCode::kDataCorrupt, "{}: mean magnitude {} does not fit bf16",
                      masters.label(), m);
  matrix.trits.resize(static_cast<size_t>(masters.elements));
  BITNETC_RETURN_IF_ERROR(
      for_each_block(masters, [&](int64_t first, std::span<const float> values) {
        int8_t* out = matrix.trits.data() + first;
        for (size_t i = 0; i < values.size(); ++i)
          out[i] = static_cast<int8_t>(std::clamp(std::rint(values[i] * inverse), -1.0f, 1.0f));
        return Status();
      }));
  return matrix;
}

}  // namespace bitnetc
