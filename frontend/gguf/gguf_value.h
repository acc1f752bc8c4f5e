// A metadata value of a GGUF file, as it lies there. Plain views: they are good as long as the
// file's bytes are. Any thread may read one.
#pragma once

#include <cstdint>
#include <optional>
#include <span>
#include <string>
#include <string_view>
#include <vector>

namespace bitnetc {

enum class GgufValueType : uint32_t {
  kU8 = 0,
  kI8 = 1,
  kU16 = 2,
  kI16 = 3,
  kU32 = 4,
  kI32 = 5,
  kF32 = 6,
  kBool = 7,
  kString = 8,
  kArray = 9,
  kU64 = 10,
  kI64 = 11,
  kF64 = 12,
};
inline constexpr uint32_t kGgufValueTypes = 13;

std::string_view gguf_value_type_name(GgufValueType type);  // "u32", "string"
// Bytes of a value of this type; 0 for strings and arrays.
size_t gguf_value_bytes(GgufValueType type);

// Whatever reads the file has checked that the bytes are inside it, that every element of an array
// is inside `bytes`, and that a bool is 0 or 1.
struct GgufValue {
  GgufValueType type = GgufValueType::kU8;
  GgufValueType element = GgufValueType::kU8;  // of an array
  uint64_t count = 0;                          // elements of an array
  // A number or bool as encoded; the characters of a string; the elements of an array as encoded.
  std::span<const uint8_t> bytes;

  // Nothing when the value has another type or, an integer, does not fit.
  std::optional<int64_t> integer() const;  // any integer type
  std::optional<double> number() const;    // any integer or float type
  std::optional<bool> boolean() const;
  std::optional<std::string_view> text() const;
  std::optional<std::vector<std::string_view>> texts() const;
  std::optional<std::vector<int64_t>> integers() const;
  std::optional<std::vector<double>> numbers() const;
};

// The value in a message, printable and short: `u32 40`, `"gpt2"`, `an array of 3 strings`.
std::string describe(const GgufValue& value);

}  // namespace bitnetc
