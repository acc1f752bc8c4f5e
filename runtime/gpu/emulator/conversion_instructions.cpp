// Conversions between types, and between addresses of different spaces.
#include <cmath>
#include <limits>
#include <type_traits>

#include "runtime/gpu/emulator/instructions.h"
#include "runtime/math.h"

namespace bitnetc::emulator {
namespace {

enum class Rounding { kNearest, kZero, kDown, kUp };

template <Rounding rounding, typename T>
T rounded(T value) {
  switch (rounding) {
    case Rounding::kNearest: return std::nearbyint(value);
    case Rounding::kZero: return std::trunc(value);
    case Rounding::kDown: return std::floor(value);
    case Rounding::kUp: return std::ceil(value);
  }
  return value;
}

// A signed result is as wide as its register, which may be wider than its type.
template <typename To, typename From>
auto convert_integer(From value) {
  if constexpr (std::is_signed_v<To> && sizeof(To) < 4)
    return int32_t{static_cast<To>(value)};
  else
    return static_cast<To>(value);
}
template <typename To, typename From>
To to_float(From value) {
  return static_cast<To>(value);
}
// Beyond the range the nearest end of it; NaN: 0.
template <typename To, Rounding rounding, typename From>
To to_integer(From value) {
  if (value != value) return 0;
  const From whole = rounded<rounding>(value);
  // One above the greatest: a power of two, which every float type has.
  constexpr From kAbove =
      std::is_signed_v<To>
          ? From{2} * static_cast<From>(std::make_unsigned_t<To>{1} << (8 * sizeof(To) - 2))
          : From{2} * static_cast<From>(To{1} << (8 * sizeof(To) - 1));
  constexpr From kBelow = std::is_signed_v<To> ? -kAbove : From{0};
  if (whole >= kAbove) return std::numeric_limits<To>::max();
  if (whole < kBelow) return std::numeric_limits<To>::min();
  return static_cast<To>(whole);
}
template <Rounding rounding, typename T>
T to_whole(T value) {
  return rounded<rounding>(value);
}
float narrow(double value) {
  return canonical(static_cast<float>(value));
}
double widen(float value) {
  return value;
}
float widen_half(uint16_t bits) {
  return canonical(math::widen_f16(bits));
}
uint16_t round_half(float value) {
  return value == value ? math::round_to_f16(value) : 0x7fff;
}

// Calls `body` with the rounding that the name says for results that are whole numbers.
template <typename Body>
Handler for_rounding(const Parts& parts, Body body) {
  if (has_part(parts, "rni")) return body.template operator()<Rounding::kNearest>();
  if (has_part(parts, "rzi")) return body.template operator()<Rounding::kZero>();
  if (has_part(parts, "rmi")) return body.template operator()<Rounding::kDown>();
  if (has_part(parts, "rpi")) return body.template operator()<Rounding::kUp>();
  return nullptr;
}

template <typename From>
Handler from_float(PtxType to, const Parts& parts) {
  return for_rounding(parts, [&]<Rounding rounding>() -> Handler {
    return for_integer(
        to, []<typename To>() -> Handler { return unary<From, to_integer<To, rounding, From>>; });
  });
}

template <typename To>
Handler from_integer(PtxType from, const Parts& parts) {
  if (!has_part(parts, "rn")) return nullptr;
  return for_integer(from,
                     []<typename From>() -> Handler { return unary<From, to_float<To, From>>; });
}

Handler between_floats(PtxType to, PtxType from, const Parts& parts) {
  if (to == from)
    return for_rounding(parts, [&]<Rounding rounding>() -> Handler {
      if (to == PtxType::kF32) return unary<float, to_whole<rounding, float>>;
      return to == PtxType::kF64 ? unary<double, to_whole<rounding, double>> : Handler(nullptr);
    });
  const bool is_rounded = has_part(parts, "rn");
  if (to == PtxType::kF64 && from == PtxType::kF32) return unary<float, widen>;
  if (to == PtxType::kF32 && from == PtxType::kF16) return unary<uint16_t, widen_half>;
  if (to == PtxType::kF32 && from == PtxType::kF64 && is_rounded) return unary<double, narrow>;
  if (to == PtxType::kF16 && from == PtxType::kF32 && is_rounded) return unary<float, round_half>;
  return nullptr;
}

Handler conversion(PtxType to, PtxType from, const Parts& parts) {
  if (is_float(to) && is_float(from)) return between_floats(to, from, parts);
  if (is_float(from)) {
    if (from == PtxType::kF32) return from_float<float>(to, parts);
    return from == PtxType::kF64 ? from_float<double>(to, parts) : nullptr;
  }
  if (is_float(to)) {
    if (to == PtxType::kF32) return from_integer<float>(from, parts);
    return to == PtxType::kF64 ? from_integer<double>(from, parts) : nullptr;
  }
  return for_integer(from, [&]<typename From>() -> Handler {
    return for_integer(
        to, []<typename To>() -> Handler { return unary<From, convert_integer<To, From>>; });
  });
}

// Between an address of a space and the generic one; `detail`: 1 to the space, else from it.
void convert_address(Warp& warp, const Instruction& i, Mask mask) {
  const uint64_t window = i.space == Space::kShared  ? kSharedWindow
                          : i.space == Space::kLocal ? kLocalWindow
                                                     : 0;
  const uint64_t change = i.detail != 0 ? uint64_t{0} - window : window;
  const uint64_t* const a = warp.source(i, 0);
  each_lane(warp, i, mask, [=](int l) { return a[l] + change; });
}

// isspacep: whether a generic address is one of the space.
void is_in_space(Warp& warp, const Instruction& i, Mask mask) {
  const uint64_t* const a = warp.source(i, 0);
  const Space space = i.space;
  each_lane(warp, i, mask, [=](int l) -> uint64_t {
    const bool shared = is_in_window(a[l], kSharedWindow), local = is_in_window(a[l], kLocalWindow);
    if (space == Space::kShared) return shared;
    return space == Space::kLocal ? local : !shared && !local;
  });
}

Space space_of(const Parts& parts) {
  if (has_part(parts, "shared")) return Space::kShared;
  if (has_part(parts, "local")) return Space::kLocal;
  return Space::kGlobal;
}

}  // namespace

Result<Decoded> decode_conversion(Instruction& instruction, const Parts& parts) {
  if (parts[0] == "cvta" || parts[0] == "isspacep") {
    if (!only_has(parts, {"to", "global", "shared", "local"})) return not_emulated();
    instruction.space = space_of(parts);
    instruction.detail = has_part(parts, "to") ? 1 : 0;
    instruction.handler = parts[0] == "cvta" ? convert_address : is_in_space;
    return Decoded::kYes;
  }
  if (parts[0] != "cvt") return Decoded::kNotOfThisGroup;
  if (!only_has(parts, {"rn", "rni", "rzi", "rmi", "rpi"})) return not_emulated();
  instruction.handler = conversion(instruction.type, instruction.from, parts);
  return instruction.handler != nullptr ? Result(Decoded::kYes) : not_emulated();
}

}  // namespace bitnetc::emulator
