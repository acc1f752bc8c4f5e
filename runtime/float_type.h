// Element type of a stored float table (embedding, head): the floats among the ElementTypes.
#pragma once

#include <cstdint>
#include <optional>
#include <string_view>

#include "runtime/element_type.h"

namespace bitnetc {

enum class FloatType { kF32, kF16, kBf16 };
inline constexpr FloatType kFloatTypes[] = {FloatType::kF32, FloatType::kF16, FloatType::kBf16};

constexpr ElementType element_type(FloatType type) {
  switch (type) {
    case FloatType::kF32: return ElementType::kF32;
    case FloatType::kF16: return ElementType::kF16;
    case FloatType::kBf16: return ElementType::kBf16;
  }
  return ElementType::kF32;
}

constexpr std::string_view float_type_name(FloatType type) {
  return element_type_name(element_type(type));
}

constexpr int64_t float_type_bytes(FloatType type) {
  return element_bytes(element_type(type));
}

constexpr std::optional<FloatType> parse_float_type(std::string_view name) {
  for (const FloatType type : kFloatTypes)
    if (name == float_type_name(type)) return type;
  return std::nullopt;
}

}  // namespace bitnetc
