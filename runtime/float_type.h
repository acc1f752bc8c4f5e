// Element type of a stored float table (embedding, head).
#pragma once

#include <cstdint>
#include <optional>
#include <string_view>

namespace bitnetc {

enum class FloatType { kF32, kF16, kBf16 };

constexpr std::string_view float_type_name(FloatType type) {
  switch (type) {
    case FloatType::kF32: return "f32";
    case FloatType::kF16: return "f16";
    case FloatType::kBf16: return "bf16";
  }
  return "?";
}

constexpr int64_t float_type_bytes(FloatType type) {
  return type == FloatType::kF32 ? 4 : 2;
}

constexpr std::optional<FloatType> parse_float_type(std::string_view name) {
  for (FloatType type : {FloatType::kF32, FloatType::kF16, FloatType::kBf16})
    if (name == float_type_name(type)) return type;
  return std::nullopt;
}

}  // namespace bitnetc
