// What keys and values are stored as: chosen when a model is linked, the same for all of its
// layers. Element types and what is lost: docs/numerics.md, section 10.
#pragma once

#include <cstdint>
#include <optional>
#include <string_view>

#include "runtime/element_type.h"

namespace bitnetc {

enum class KvType {
  kF16,
  kF32,
  kI8,  // with a scale, f32, for each position and kv head
};
inline constexpr KvType kKvTypes[] = {KvType::kF16, KvType::kF32, KvType::kI8};

// Of a cell: one dimension of one key or value.
[[gnu::always_inline]] constexpr ElementType kv_cell_type(KvType type) {
  switch (type) {
    case KvType::kF16: return ElementType::kF16;
    case KvType::kF32: return ElementType::kF32;
    case KvType::kI8: return ElementType::kI8;
  }
  return ElementType::kF16;
}

constexpr std::string_view kv_type_name(KvType type) {
  return element_type_name(kv_cell_type(type));
}

constexpr std::optional<KvType> parse_kv_type(std::string_view name) {
  for (const KvType type : kKvTypes)
    if (name == kv_type_name(type)) return type;
  return std::nullopt;
}

}  // namespace bitnetc
