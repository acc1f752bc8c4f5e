// The instructions that are emulated, in groups: each group knows its names and sets the handler.
#pragma once

#include <algorithm>
#include <bit>
#include <cstdint>
#include <cstring>
#include <string_view>
#include <vector>

#include "runtime/gpu/emulator/machine.h"
#include "runtime/gpu/emulator/ptx_code.h"
#include "runtime/status.h"

namespace bitnetc::emulator {

// An instruction's name between its points: "add", "rn", "f32".
using Parts = std::vector<std::string_view>;

// Which memory a load, a store or an atomic operation is of.
Space space_of_access(const Parts& parts);
inline bool has_part(const Parts& parts, std::string_view part) {
  return std::ranges::find(parts, part) != parts.end();
}
// Whether all parts but the first are types or among `known`.
bool only_has(const Parts& parts, std::initializer_list<std::string_view> known);

enum class Decoded { kYes, kNotOfThisGroup };
// Error: kUnsupported: an instruction of the group in a form that is not emulated, or not exact.
Result<Decoded> decode_integer(Instruction& instruction, const Parts& parts);
Result<Decoded> decode_float(Instruction& instruction, const Parts& parts);
Result<Decoded> decode_conversion(Instruction& instruction, const Parts& parts);
Result<Decoded> decode_memory(Instruction& instruction, const Parts& parts);
Result<Decoded> decode_atomic(Instruction& instruction, const Parts& parts);
Result<Decoded> decode_warp(Instruction& instruction, const Parts& parts);

// The bits of a register as a T, and back.
template <typename T>
T value_of(uint64_t bits) {
  if constexpr (sizeof(T) == 8)
    return std::bit_cast<T>(bits);
  else if constexpr (sizeof(T) == 4)
    return std::bit_cast<T>(static_cast<uint32_t>(bits));
  else if constexpr (sizeof(T) == 2)
    return std::bit_cast<T>(static_cast<uint16_t>(bits));
  else
    return std::bit_cast<T>(static_cast<uint8_t>(bits));
}
template <typename T>
uint64_t bits_of(T value) {
  if constexpr (sizeof(T) == 8)
    return std::bit_cast<uint64_t>(value);
  else if constexpr (sizeof(T) == 4)
    return std::bit_cast<uint32_t>(value);
  else if constexpr (sizeof(T) == 2)
    return std::bit_cast<uint16_t>(value);
  else
    return std::bit_cast<uint8_t>(value);
}

// The NaN that a GPU makes of every operation without a number as its result.
template <typename T>
T canonical(T value) {
  if (value == value) return value;
  if constexpr (sizeof(T) == sizeof(float))
    return std::bit_cast<float>(uint32_t{0x7fffffff});
  else
    return std::bit_cast<double>(uint64_t{0xfff8000000000000});
}

// Stores f(lane) in the first destination, for the lanes of `mask`.
template <typename F>
void each_lane(Warp& warp, const Instruction& instruction, Mask mask, F f) {
  uint64_t* const to = warp.destination(instruction, 0);
  if (mask == kAllLanes) {
    uint64_t results[kLanes];
    for (int lane = 0; lane < kLanes; ++lane) results[lane] = f(lane);
    std::memcpy(to, results, sizeof results);
  } else {
    for (int lane = 0; lane < kLanes; ++lane)
      if (mask >> lane & 1) to[lane] = f(lane);
  }
}

// Handlers of functions of one, two and three Ts, whose result is of whatever type they return.
template <typename T, auto kFunction>
void unary(Warp& warp, const Instruction& i, Mask mask) {
  const uint64_t* const a = warp.source(i, 0);
  each_lane(warp, i, mask, [=](int l) { return bits_of(kFunction(value_of<T>(a[l]))); });
}
template <typename T, auto kFunction>
void binary(Warp& warp, const Instruction& i, Mask mask) {
  const uint64_t *const a = warp.source(i, 0), *const b = warp.source(i, 1);
  each_lane(warp, i, mask,
            [=](int l) { return bits_of(kFunction(value_of<T>(a[l]), value_of<T>(b[l]))); });
}
template <typename T, auto kFunction>
void ternary(Warp& warp, const Instruction& i, Mask mask) {
  const uint64_t *const a = warp.source(i, 0), *const b = warp.source(i, 1),
                        *const c = warp.source(i, 2);
  each_lane(warp, i, mask, [=](int l) {
    return bits_of(kFunction(value_of<T>(a[l]), value_of<T>(b[l]), value_of<T>(c[l])));
  });
}

// Calls `body.template operator()<T>()` with the integer that a type of registers is; bits count as
// unsigned. Its result; null for types that are none.
template <typename Body>
Handler for_integer(PtxType type, Body body) {
  switch (type) {
    case PtxType::kB8:
    case PtxType::kU8: return body.template operator()<uint8_t>();
    case PtxType::kS8: return body.template operator()<int8_t>();
    case PtxType::kB16:
    case PtxType::kU16: return body.template operator()<uint16_t>();
    case PtxType::kS16: return body.template operator()<int16_t>();
    case PtxType::kB32:
    case PtxType::kU32: return body.template operator()<uint32_t>();
    case PtxType::kS32: return body.template operator()<int32_t>();
    case PtxType::kB64:
    case PtxType::kU64: return body.template operator()<uint64_t>();
    case PtxType::kS64: return body.template operator()<int64_t>();
    default: return nullptr;
  }
}

inline Status not_emulated(std::string_view why = "not emulated in this form") {
  return {StatusCode::kUnsupported, std::string(why)};
}

}  // namespace bitnetc::emulator
