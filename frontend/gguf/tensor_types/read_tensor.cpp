#include "frontend/gguf/tensor_types/read_tensor.h"

#include <algorithm>
#include <cmath>

#include "frontend/gguf/tensor_types/decoders.h"

namespace bitnetc::gguf {
namespace {

// Of a matrix of zeros any positive scale is true: the least that absmean quantisation makes
// (docs/numerics.md).
constexpr float kScaleOfZeros = 1e-5f;

std::string place(int64_t index, int64_t columns) {
  return fmt::format("row {}, column {}", index / columns, index % columns);
}

template <typename... Args>
Status error(const TypedTensor& stored, fmt::format_string<Args...> format, Args&&... args) {
  return make_error(StatusCode::kDataCorrupt, "{} ({}): {}", stored.tensor->label(),
                    stored.type->name, fmt::format(format, std::forward<Args>(args)...));
}

// Whether the file has a plain array of this type.
std::optional<FloatType> plain_type(const TensorType& type) {
  if (type.name == "F32") return FloatType::kF32;
  if (type.name == "F16") return FloatType::kF16;
  if (type.name == "BF16") return FloatType::kBf16;
  return std::nullopt;
}

// Calls visit(first index, values) over the tensor, some whole blocks at a time.
template <typename Visit>
Status for_each_run(const TypedTensor& stored, const Visit& visit) {
  constexpr int64_t kRun = 4096;  // a multiple of every block
  const TensorType& type = *stored.type;
  float values[kRun];
  const int64_t elements = stored.tensor->elements;
  for (int64_t first = 0; first < elements; first += kRun) {
    const int64_t count = std::min(kRun, elements - first);
    type.widen(stored.bytes.data() + first / type.block_elements * type.block_bytes, count, values);
    BITNETC_RETURN_IF_ERROR(
        visit(first, std::span<const float>(values, static_cast<size_t>(count))));
  }
  return {};
}

Status check_finite(const TypedTensor& stored, int64_t first, std::span<const float> values) {
  const auto bad =
      std::find_if(values.begin(), values.end(), [](float value) { return !std::isfinite(value); });
  if (bad == values.end()) return {};
  return error(stored, "{} is {}, expected a finite number",
               place(first + (bad - values.begin()), stored.tensor->columns()), *bad);
}

Status widen_into(const TypedTensor& stored, float* out) {
  const auto copy = [&](int64_t first, std::span<const float> values) -> Status {
    BITNETC_RETURN_IF_ERROR(check_finite(stored, first, values));
    std::copy(values.begin(), values.end(), out + first);
    return {};
  };
  return for_each_run(stored, copy);
}

TernaryMatrix matrix_of(const TypedTensor& stored) {
  TernaryMatrix matrix{
      .n = stored.tensor->rows(), .k = stored.tensor->columns(), .trits = {}, .scales = {}};
  matrix.trits.resize(static_cast<size_t>(stored.tensor->elements));
  return matrix;
}

// Floats of which all but the zeros have one magnitude.
Result<TernaryMatrix> ternary_from_floats(const TypedTensor& stored, std::optional<float> factor) {
  TernaryMatrix matrix = matrix_of(stored);
  float magnitude = 0;
  const auto take = [&](int64_t first, std::span<const float> values) -> Status {
    BITNETC_RETURN_IF_ERROR(check_finite(stored, first, values));
    int8_t* out = matrix.trits.data() + first;
    for (size_t i = 0; i < values.size(); ++i) {
      const float value = values[i];
      if (magnitude == 0) magnitude = std::fabs(value);
      if (value != 0 && std::fabs(value) != magnitude)
        return error(stored, "is not ternary: {} is {}, expected 0 or +-{} as before it",
                     place(first + static_cast<int64_t>(i), matrix.k), value, magnitude);
      out[i] = static_cast<int8_t>(value > 0 ? 1 : value < 0 ? -1 : 0);
    }
    return {};
  };
  BITNETC_RETURN_IF_ERROR(for_each_run(stored, take));
  const float multiplier = factor.value_or(1.0f);
  if (magnitude == 0) magnitude = factor ? 1.0f : kScaleOfZeros;
  const float scale = magnitude * multiplier;
  if (!(std::isfinite(scale) && scale > 0))
    return error(stored,
                 "its magnitude {} times its scale tensor's {} is {}, expected a positive "
                 "number",
                 magnitude, multiplier, scale);
  matrix.scales = Scales::of_tensor(scale);
  return matrix;
}

// The factors of one matrix, brought to Scales.
class FactorReader {
 public:
  FactorReader(const TypedTensor& stored, const TernaryMatrix& matrix, std::vector<float> factors)
      : stored_(stored), matrix_(matrix), factors_(std::move(factors)) {
    const auto count = std::ssize(factors_);
    span_ = std::ssize(matrix.trits) / count;
    is_zero_.resize(factors_.size());
    for (size_t i = 0; i < is_zero_.size(); ++i) {
      const auto trits = std::span(matrix.trits)
                             .subspan(i * static_cast<size_t>(span_), static_cast<size_t>(span_));
      is_zero_[i] = std::ranges::all_of(trits, [](int8_t trit) { return trit == 0; });
    }
  }

  Result<Scales> read(float multiplier) {
    for (size_t i = 0; i < factors_.size(); ++i) BITNETC_RETURN_IF_ERROR(check(i, multiplier));
    if (const auto one = common(0, factors_.size())) return Scales::of_tensor(*one);
    const auto per_row = factors_.size() / static_cast<size_t>(matrix_.n);
    Scales rows{.kind = Scales::Kind::kRow};
    for (size_t row = 0; row < static_cast<size_t>(matrix_.n); ++row)
      if (const auto one = common(row * per_row, per_row)) rows.values.push_back(*one);
    if (std::ssize(rows.values) == matrix_.n) return rows;
    Scales groups{.kind = Scales::Kind::kGroup, .group = span_};
    for (size_t i = 0; i < factors_.size(); ++i) groups.values.push_back(*common(i, 1));
    return groups;
  }

 private:
  // A zero is allowed where it multiplies zeros only.
  Status check(size_t i, float multiplier) {
    const float stored_factor = factors_[i];
    factors_[i] *= multiplier;
    const bool fits =
        std::isfinite(factors_[i]) && (factors_[i] > 0 || (factors_[i] == 0 && is_zero_[i]));
    if (fits) return {};
    const auto first = static_cast<int64_t>(i) * span_;
    const std::string whose =
        factors_.size() == 1
            ? std::string("the scale")
            : fmt::format("the scale of the {} columns from {}", span_, place(first, matrix_.k));
    return error(stored_, "{} is {}{}, expected a positive number", whose, stored_factor,
                 multiplier == 1 ? "" : fmt::format(" times {}", multiplier));
  }

  // The factor of all blocks of a run that are not zero; nothing where they differ. Of a run of
  // zeros any positive number is true.
  std::optional<float> common(size_t first, size_t count) const {
    std::optional<float> found, unused;
    for (size_t i = first; i < first + count; ++i) {
      if (is_zero_[i]) {
        if (factors_[i] > 0 && !unused) unused = factors_[i];
      } else if (found && *found != factors_[i]) {
        return std::nullopt;
      } else {
        found = factors_[i];
      }
    }
    return found ? found : unused.value_or(kScaleOfZeros);
  }

  const TypedTensor& stored_;
  const TernaryMatrix& matrix_;
  std::vector<float> factors_;
  int64_t span_ = 0;  // elements that share a factor
  std::vector<bool> is_zero_;
};

Result<TernaryMatrix> ternary_from_trits(const TypedTensor& stored, float factor) {
  TernaryMatrix matrix = matrix_of(stored);
  std::vector<float> factors;
  stored.type->decode(stored.bytes, matrix.n, matrix.k, matrix.trits.data(), &factors);
  const auto bad = std::ranges::find_if(matrix.trits, [](int8_t trit) { return trit > 1; });
  if (bad != matrix.trits.end())
    return error(stored, "{} holds code 3, expected 0, 1 or 2",
                 place(bad - matrix.trits.begin(), matrix.k));
  BITNETC_ASSIGN_OR_RETURN(matrix.scales,
                           FactorReader(stored, matrix, std::move(factors)).read(factor));
  return matrix;
}

// A table of its own, filled by fill(values as T*).
template <typename T, typename Fill>
Result<FloatTable> made_table(const TypedTensor& stored, FloatType type, const Fill& fill) {
  auto values = std::make_shared<std::vector<T>>(static_cast<size_t>(stored.tensor->elements));
  BITNETC_RETURN_IF_ERROR(fill(values->data()));
  const std::span<const uint8_t> bytes(reinterpret_cast<const uint8_t*>(values->data()),
                                       values->size() * sizeof(T));
  return FloatTable{.type = type,
                    .rows = stored.tensor->rows(),
                    .columns = stored.tensor->columns(),
                    .bytes = bytes,
                    .owner = std::move(values)};
}

Result<FloatTable> plain_table(const TypedTensor& stored, FloatType type) {
  const GgufTensor& tensor = *stored.tensor;
  const auto check = [&](int64_t first, std::span<const float> values) {
    return check_finite(stored, first, values);
  };
  BITNETC_RETURN_IF_ERROR(for_each_run(stored, check));
  FloatTable table{.type = type,
                   .rows = tensor.rows(),
                   .columns = tensor.columns(),
                   .bytes = stored.bytes,
                   .owner = tensor.file};
  const auto address = reinterpret_cast<uintptr_t>(stored.bytes.data());
  if (address % static_cast<uintptr_t>(float_type_bytes(type)) != 0) {
    auto copy = std::make_shared<std::vector<uint8_t>>(stored.bytes.begin(), stored.bytes.end());
    table.bytes = *copy;
    table.owner = std::move(copy);
  }
  return table;
}

// Trits times a number of eleven bits: exact in fp16.
Result<FloatTable> table_from_trits(const TypedTensor& stored) {
  BITNETC_ASSIGN_OR_RETURN(const TernaryMatrix matrix, ternary_from_trits(stored, 1));
  return made_table<uint16_t>(stored, FloatType::kF16, [&](uint16_t* values) -> Status {
    const Scales& scales = matrix.scales;
    for (int64_t i = 0; i < std::ssize(matrix.trits); ++i) {
      int64_t which = 0;
      if (scales.kind == Scales::Kind::kRow) which = i / matrix.k;
      if (scales.kind == Scales::Kind::kGroup) which = i / scales.group;
      values[i] = math::round_to_f16(static_cast<float>(matrix.trits[static_cast<size_t>(i)]) *
                                     scales.values[static_cast<size_t>(which)]);
    }
    return {};
  });
}

}  // namespace

Result<TernaryMatrix> read_ternary(const TypedTensor& stored, std::optional<float> factor) {
  return stored.type->decode != nullptr ? ternary_from_trits(stored, factor.value_or(1.0f))
                                        : ternary_from_floats(stored, factor);
}

Result<FloatTable> read_table(const TypedTensor& stored) {
  if (const auto plain = plain_type(*stored.type)) return plain_table(stored, *plain);
  if (stored.type->decode != nullptr) {
    // A scale in fp32 has more bits than fp16 holds; no model that works keeps its embedding so.
    if (stored.type->factors != FactorSpan::kBlock)
      return make_error(StatusCode::kUnsupported,
                        "{}: an embedding or head of type {} is not supported, expected a float "
                        "type, TQ1_0, TQ2_0 or Q2_0",
                        stored.tensor->label(), stored.type->name);
    return table_from_trits(stored);
  }
  return made_table<float>(stored, FloatType::kF32,
                           [&](float* out) { return widen_into(stored, out); });
}

Result<std::vector<float>> read_vector(const TypedTensor& stored) {
  if (!plain_type(*stored.type))
    return make_error(StatusCode::kUnsupported,
                      "{}: type is {}, expected F32, F16 or BF16 for a vector",
                      stored.tensor->label(), stored.type->name);
  std::vector<float> vector(static_cast<size_t>(stored.tensor->elements));
  BITNETC_RETURN_IF_ERROR(widen_into(stored, vector.data()));
  return vector;
}

}  // namespace bitnetc::gguf
