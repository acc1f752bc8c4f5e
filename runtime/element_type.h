// Element types of buffers and operands.
#pragma once

#include <cstdint>
#include <optional>
#include <string_view>

namespace bitnetc {

enum class ElementType { kU8, kI8, kI32, kF16, kBf16, kF32, kF64 };
inline constexpr ElementType kElementTypes[] = {
    ElementType::kU8,   ElementType::kI8,  ElementType::kI32, ElementType::kF16,
    ElementType::kBf16, ElementType::kF32, ElementType::kF64};

constexpr std::string_view element_type_name(ElementType type) {
  switch (type) {
    case ElementType::kU8: return "u8";
    case ElementType::kI8: return "i8";
    case ElementType::kI32: return "i32";
    case ElementType::kF16: return "f16";
    case ElementType::kBf16: return "bf16";
    case ElementType::kF32: return "f32";
    case ElementType::kF64: return "f64";
  }
  return "?";
}

[[gnu::always_inline]] constexpr int64_t element_bytes(ElementType type) {
  switch (type) {
    case ElementType::kU8:
    case ElementType::kI8: return 1;
    case ElementType::kF16:
    case ElementType::kBf16: return 2;
    case ElementType::kI32:
    case ElementType::kF32: return 4;
    case ElementType::kF64: return 8;
  }
  return 0;
}

constexpr std::optional<ElementType> parse_element_type(std::string_view name) {
  for (const ElementType type : kElementTypes)
    if (name == element_type_name(type)) return type;
  return std::nullopt;
}

}  // namespace bitnetc
