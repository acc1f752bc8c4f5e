#include "frontend/gguf/gguf_value.h"

#include <fmt/format.h>

#include <cstring>

#include "runtime/printable.h"

namespace bitnetc {
namespace {

constexpr std::string_view kNames[kGgufValueTypes] = {
    "u8", "i8", "u16", "i16", "u32", "i32", "f32", "bool", "string", "array", "u64", "i64", "f64"};
constexpr size_t kTypeBytes[kGgufValueTypes] = {1, 1, 2, 2, 4, 4, 4, 1, 0, 0, 8, 8, 8};

template <typename T>
T load(const uint8_t* bytes) {
  T value;
  std::memcpy(&value, bytes, sizeof value);
  return value;
}

std::optional<int64_t> integer_at(GgufValueType type, const uint8_t* bytes) {
  switch (type) {
    case GgufValueType::kU8: return *bytes;
    case GgufValueType::kI8: return load<int8_t>(bytes);
    case GgufValueType::kU16: return load<uint16_t>(bytes);
    case GgufValueType::kI16: return load<int16_t>(bytes);
    case GgufValueType::kU32: return load<uint32_t>(bytes);
    case GgufValueType::kI32: return load<int32_t>(bytes);
    case GgufValueType::kI64: return load<int64_t>(bytes);
    case GgufValueType::kU64: {
      const auto value = load<uint64_t>(bytes);
      return value <= INT64_MAX ? std::optional(static_cast<int64_t>(value)) : std::nullopt;
    }
    default: return std::nullopt;
  }
}

std::optional<double> number_at(GgufValueType type, const uint8_t* bytes) {
  if (type == GgufValueType::kF32) return static_cast<double>(load<float>(bytes));
  if (type == GgufValueType::kF64) return load<double>(bytes);
  if (type == GgufValueType::kU64) return static_cast<double>(load<uint64_t>(bytes));
  const auto value = integer_at(type, bytes);
  return value ? std::optional(static_cast<double>(*value)) : std::nullopt;
}

// Reads every element of an array of numbers with `read`; nothing as soon as one cannot be read.
template <typename T, typename Read>
std::optional<std::vector<T>> elements(const GgufValue& value, const Read& read) {
  if (value.type != GgufValueType::kArray) return std::nullopt;
  const size_t width = gguf_value_bytes(value.element);
  if (width == 0 && value.count > 0) return std::nullopt;
  std::vector<T> values;
  values.reserve(static_cast<size_t>(value.count));
  for (uint64_t i = 0; i < value.count; ++i) {
    const auto each = read(value.element, value.bytes.data() + i * width);
    if (!each) return std::nullopt;
    values.push_back(*each);
  }
  return values;
}

}  // namespace

std::string_view gguf_value_type_name(GgufValueType type) {
  return kNames[static_cast<size_t>(type)];
}

size_t gguf_value_bytes(GgufValueType type) {
  return kTypeBytes[static_cast<size_t>(type)];
}

std::optional<int64_t> GgufValue::integer() const {
  return integer_at(type, bytes.data());
}

std::optional<double> GgufValue::number() const {
  return number_at(type, bytes.data());
}

std::optional<bool> GgufValue::boolean() const {
  return type == GgufValueType::kBool ? std::optional(bytes[0] != 0) : std::nullopt;
}

std::optional<std::string_view> GgufValue::text() const {
  if (type != GgufValueType::kString) return std::nullopt;
  return std::string_view(reinterpret_cast<const char*>(bytes.data()), bytes.size());
}

std::optional<std::vector<std::string_view>> GgufValue::texts() const {
  if (type != GgufValueType::kArray || (element != GgufValueType::kString && count > 0))
    return std::nullopt;
  std::vector<std::string_view> values;
  values.reserve(static_cast<size_t>(count));
  for (const uint8_t* at = bytes.data(); values.size() < count;) {
    const auto length = static_cast<size_t>(load<uint64_t>(at));
    values.emplace_back(reinterpret_cast<const char*>(at + sizeof(uint64_t)), length);
    at += sizeof(uint64_t) + length;
  }
  return values;
}

std::optional<std::vector<int64_t>> GgufValue::integers() const {
  return elements<int64_t>(*this, integer_at);
}

std::optional<std::vector<double>> GgufValue::numbers() const {
  return elements<double>(*this, number_at);
}

std::string describe(const GgufValue& value) {
  constexpr size_t kMostBytes = 80;
  if (const auto text = value.text()) return fmt::format("\"{}\"", printable(*text, kMostBytes));
  if (value.type == GgufValueType::kArray)
    return fmt::format("an array of {} {}{}", value.count, gguf_value_type_name(value.element),
                       value.count == 1 ? "" : "s");
  if (const auto flag = value.boolean()) return *flag ? "true" : "false";
  if (const auto integer = value.integer())
    return fmt::format("{} {}", gguf_value_type_name(value.type), *integer);
  return fmt::format("{} {}", gguf_value_type_name(value.type), value.number().value());
}

}  // namespace bitnetc
