// Integers, bits, predicates and moves.
#include <limits>
#include <type_traits>
#include <utility>

#include "runtime/gpu/emulator/instructions.h"

namespace bitnetc::emulator {
namespace {

// ---- arithmetic; it wraps around

template <typename T>
using Unsigned = std::make_unsigned_t<T>;

template <typename T>
T add(T a, T b) {
  return static_cast<T>(static_cast<Unsigned<T>>(a) + static_cast<Unsigned<T>>(b));
}
template <typename T>
T subtract(T a, T b) {
  return static_cast<T>(static_cast<Unsigned<T>>(a) - static_cast<Unsigned<T>>(b));
}
template <typename T>
T multiply_low(T a, T b) {
  return static_cast<T>(static_cast<uint64_t>(a) * static_cast<uint64_t>(b));
}
__extension__ using SignedWide = __int128;
__extension__ using UnsignedWide = unsigned __int128;
template <typename T>
T multiply_high(T a, T b) {
  using Wide = std::conditional_t<std::is_signed_v<T>, SignedWide, UnsignedWide>;
  return static_cast<T>((static_cast<Wide>(a) * static_cast<Wide>(b)) >> (8 * sizeof(T)));
}
// Of halves: the whole product.
template <typename T>
auto multiply_wide(T a, T b) {
  if constexpr (sizeof(T) == 2)
    return std::conditional_t<std::is_signed_v<T>, int32_t, uint32_t>(a) *
           std::conditional_t<std::is_signed_v<T>, int32_t, uint32_t>(b);
  else
    return std::conditional_t<std::is_signed_v<T>, int64_t, uint64_t>(a) *
           std::conditional_t<std::is_signed_v<T>, int64_t, uint64_t>(b);
}
// What a GPU leaves where the divisor is 0 is not specified: all ones here.
template <typename T>
T divide(T a, T b) {
  if (b == 0) return static_cast<T>(-1);
  if constexpr (std::is_signed_v<T>)
    if (b == -1) return subtract<T>(0, a);
  return static_cast<T>(a / b);
}
template <typename T>
T remainder(T a, T b) {
  if (b == 0) return a;
  if constexpr (std::is_signed_v<T>)
    if (b == -1) return 0;
  return static_cast<T>(a % b);
}
template <typename T>
T least(T a, T b) {
  return std::min(a, b);
}
template <typename T>
T greatest(T a, T b) {
  return std::max(a, b);
}
template <typename T>
T negative(T a) {
  return subtract<T>(0, a);
}
template <typename T>
T magnitude(T a) {
  return std::is_signed_v<T> && a < 0 ? negative(a) : a;
}
template <typename T>
T multiply_add_low(T a, T b, T c) {
  return add(multiply_low(a, b), c);
}
template <typename T>
T multiply_add_high(T a, T b, T c) {
  return add(multiply_high(a, b), c);
}

// ---- bits

uint64_t bit_and(uint64_t a, uint64_t b) {
  return a & b;
}
uint64_t bit_or(uint64_t a, uint64_t b) {
  return a | b;
}
uint64_t bit_xor(uint64_t a, uint64_t b) {
  return a ^ b;
}
template <typename T>
T bit_not(T a) {
  return static_cast<T>(~a);
}
uint8_t predicate_not(uint8_t a) {
  return (a & 1) ^ 1;
}
template <typename T>
int32_t count_ones(T a) {
  return std::popcount(a);
}
template <typename T>
int32_t leading_zeros(T a) {
  return std::countl_zero(a);
}
template <typename T>
T reversed(T a) {
  T out = 0;
  for (size_t i = 0; i < 8 * sizeof(T); ++i, a = static_cast<T>(a >> 1))
    out = static_cast<T>(out << 1 | (a & 1));
  return out;
}

// Shift counts are 32 bits wide, and as wide as the value at most.
template <typename T>
void shift_left(Warp& warp, const Instruction& i, Mask mask) {
  const uint64_t *const a = warp.source(i, 0), *const b = warp.source(i, 1);
  each_lane(warp, i, mask, [=](int l) {
    const auto count = static_cast<uint32_t>(b[l]);
    return bits_of(count >= 8 * sizeof(T) ? T{0}
                                          : static_cast<T>(static_cast<uint64_t>(a[l]) << count));
  });
}
template <typename T>
void shift_right(Warp& warp, const Instruction& i, Mask mask) {
  const uint64_t *const a = warp.source(i, 0), *const b = warp.source(i, 1);
  constexpr uint32_t kMost = 8 * sizeof(T) - 1;
  each_lane(warp, i, mask, [=](int l) {
    const auto count = static_cast<uint32_t>(b[l]);
    const T value = value_of<T>(a[l]);
    if (count > kMost) return bits_of(static_cast<T>(std::is_signed_v<T> ? value >> kMost : 0));
    return bits_of(static_cast<T>(value >> count));
  });
}

// `detail`: bit 0 left, bit 1 clamped. 64 bits b:a, of which 32 come out.
void funnel_shift(Warp& warp, const Instruction& i, Mask mask) {
  const uint64_t *const a = warp.source(i, 0), *const b = warp.source(i, 1),
                        *const c = warp.source(i, 2);
  const bool left = (i.detail & 1) != 0, clamp = (i.detail & 2) != 0;
  each_lane(warp, i, mask, [=](int l) -> uint64_t {
    const auto asked = static_cast<uint32_t>(c[l]);
    const uint32_t count = clamp ? std::min(asked, 32U) : asked & 31;
    const uint64_t both = (b[l] << 32) | static_cast<uint32_t>(a[l]);
    return static_cast<uint32_t>(left ? (both << count) >> 32 : both >> count);
  });
}

// `detail`: what comes of every combination of three bits.
void look_up_bits(Warp& warp, const Instruction& i, Mask mask) {
  const uint64_t *const a = warp.source(i, 0), *const b = warp.source(i, 1),
                        *const c = warp.source(i, 2);
  const uint32_t table = static_cast<uint32_t>(warp.source(i, 3)[0]);
  each_lane(warp, i, mask, [=](int l) -> uint64_t {
    uint32_t out = 0;
    for (uint32_t k = 0; k < 8; ++k) {
      if ((table >> k & 1) == 0) continue;
      const uint64_t x = (k & 4) ? a[l] : ~a[l], y = (k & 2) ? b[l] : ~b[l],
                     z = (k & 1) ? c[l] : ~c[l];
      out |= static_cast<uint32_t>(x & y & z);
    }
    return out;
  });
}

// Each byte of the result is one of eight, or its sign.
uint32_t permute(uint32_t a, uint32_t b, uint32_t selectors) {
  const uint64_t both = static_cast<uint64_t>(b) << 32 | a;
  uint32_t out = 0;
  for (uint32_t k = 0; k < 4; ++k) {
    const uint32_t selector = selectors >> (4 * k) & 0xF;
    auto byte = static_cast<uint8_t>(both >> (8 * (selector & 7)));
    if (selector & 8) byte = byte & 0x80 ? 0xFF : 0;
    out |= static_cast<uint32_t>(byte) << (8 * k);
  }
  return out;
}

template <typename T>
T extract(T value, uint32_t position, uint32_t length) {
  constexpr uint32_t kBits = 8 * sizeof(T);
  position &= 0xFF;
  length &= 0xFF;
  const uint32_t sign_at = std::min(position + length - 1, kBits - 1);
  const bool sign = std::is_signed_v<T> && length > 0 && (value >> sign_at & 1) != 0;
  T out = 0;
  for (uint32_t k = 0; k < kBits; ++k) {
    const bool inside = k < length && position + k < kBits;
    const bool bit = inside ? (value >> (position + k) & 1) != 0 : sign;
    if (bit) out = static_cast<T>(static_cast<Unsigned<T>>(out) | Unsigned<T>{1} << k);
  }
  return out;
}
template <typename T>
void extract_bits(Warp& warp, const Instruction& i, Mask mask) {
  const uint64_t *const a = warp.source(i, 0), *const b = warp.source(i, 1),
                        *const c = warp.source(i, 2);
  each_lane(warp, i, mask, [=](int l) {
    return bits_of(
        extract(value_of<T>(a[l]), static_cast<uint32_t>(b[l]), static_cast<uint32_t>(c[l])));
  });
}
template <typename T>
void insert_bits(Warp& warp, const Instruction& i, Mask mask) {
  const uint64_t *const a = warp.source(i, 0), *const b = warp.source(i, 1),
                        *const c = warp.source(i, 2), *const d = warp.source(i, 3);
  each_lane(warp, i, mask, [=](int l) {
    T out = value_of<T>(b[l]);
    const uint32_t position = c[l] & 0xFF, length = d[l] & 0xFF;
    for (uint32_t k = 0; k < length && position + k < 8 * sizeof(T); ++k) {
      const T bit = T{1} << (position + k);
      out = static_cast<T>((out & ~bit) | (value_of<T>(a[l]) >> k & 1 ? bit : T{0}));
    }
    return bits_of(out);
  });
}

// ---- dot products of bytes

template <typename A, typename B>
int32_t dot_bytes(uint32_t a, uint32_t b, uint32_t sum) {
  for (int k = 0; k < 4; ++k)
    sum += static_cast<uint32_t>(int32_t{value_of<A>(a >> (8 * k))} *
                                 int32_t{value_of<B>(b >> (8 * k))});
  return static_cast<int32_t>(sum);
}

// ---- moves and choices

uint64_t same(uint64_t a) {
  return a;
}

// One register from several, or several from one: mov.b64 {lo, hi}, x.
void move_parts(Warp& warp, const Instruction& i, Mask mask) {
  const int bits = 8 * bytes_of(i.type);
  const int part = bits / std::max(i.destination_count, i.source_count);
  const uint64_t part_mask = (uint64_t{1} << part) - 1;
  for (int lane = 0; lane < kLanes; ++lane) {
    if ((mask >> lane & 1) == 0) continue;
    uint64_t whole = 0;
    for (int k = 0; k < i.source_count; ++k)
      whole |= i.source_count == 1 ? warp.source(i, k)[lane]
                                   : (warp.source(i, k)[lane] & part_mask) << (part * k);
    for (int k = 0; k < i.destination_count; ++k)
      warp.destination(i, k)[lane] =
          i.destination_count == 1 ? whole : whole >> (part * k) & part_mask;
  }
}

void select(Warp& warp, const Instruction& i, Mask mask) {
  const uint64_t *const a = warp.source(i, 0), *const b = warp.source(i, 1),
                        *const p = warp.source(i, 2);
  each_lane(warp, i, mask, [=](int l) { return p[l] & 1 ? a[l] : b[l]; });
}

enum class Compare : uint32_t { kEq, kNe, kLt, kLe, kGt, kGe };
constexpr std::pair<std::string_view, Compare> kCompares[] = {
    {"eq", Compare::kEq},  {"ne", Compare::kNe},  {"lt", Compare::kLt},  {"le", Compare::kLe},
    {"gt", Compare::kGt},  {"ge", Compare::kGe},  {"lo", Compare::kLt},  {"ls", Compare::kLe},
    {"hi", Compare::kGt},  {"hs", Compare::kGe},  {"equ", Compare::kEq}, {"neu", Compare::kNe},
    {"ltu", Compare::kLt}, {"leu", Compare::kLe}, {"gtu", Compare::kGt}, {"geu", Compare::kGe}};
constexpr uint32_t kUnordered = 1 << 4, kNumbers = 1 << 5, kNan = 1 << 6;
constexpr uint32_t kAnd = 1 << 8, kOr = 1 << 9, kXor = 1 << 10;

template <typename T>
bool compare(uint32_t detail, T a, T b) {
  if constexpr (std::is_floating_point_v<T>) {
    const bool is_nan = a != a || b != b;
    if (detail & kNumbers) return !is_nan;
    if (detail & kNan) return is_nan;
    if (is_nan) return (detail & kUnordered) != 0;
  }
  switch (static_cast<Compare>(detail & 0xF)) {
    case Compare::kEq: return a == b;
    case Compare::kNe: return a != b;
    case Compare::kLt: return a < b;
    case Compare::kLe: return a <= b;
    case Compare::kGt: return a > b;
    case Compare::kGe: return a >= b;
  }
  return false;
}

// p = (a < b) op c, q = !(a < b) op c.
template <typename T>
void set_predicate(Warp& warp, const Instruction& i, Mask mask) {
  const uint64_t *const a = warp.source(i, 0), *const b = warp.source(i, 1);
  const uint64_t* const c = i.source_count > 2 ? warp.source(i, 2) : nullptr;
  for (int lane = 0; lane < kLanes; ++lane) {
    if ((mask >> lane & 1) == 0) continue;
    const bool is_so = compare(i.detail, value_of<T>(a[lane]), value_of<T>(b[lane]));
    const bool with = c != nullptr && (c[lane] & 1) != 0;
    const auto joined = [&](bool value) -> uint64_t {
      if (i.detail & kAnd) return value && with;
      if (i.detail & kOr) return value || with;
      if (i.detail & kXor) return value != with;
      return value;
    };
    const uint64_t results[] = {joined(is_so), joined(!is_so)};
    for (int k = 0; k < i.destination_count; ++k) warp.destination(i, k)[lane] = results[k];
  }
}

// ---- names

template <typename T>
Handler arithmetic(std::string_view name, const Parts& parts) {
  if (name == "add") return binary<T, add<T>>;
  if (name == "sub") return binary<T, subtract<T>>;
  if (name == "div") return binary<T, divide<T>>;
  if (name == "rem") return binary<T, remainder<T>>;
  if (name == "min") return binary<T, least<T>>;
  if (name == "max") return binary<T, greatest<T>>;
  if (name == "neg") return unary<T, negative<T>>;
  if (name == "abs") return unary<T, magnitude<T>>;
  if (name == "mul" && has_part(parts, "lo")) return binary<T, multiply_low<T>>;
  if (name == "mul" && has_part(parts, "hi")) return binary<T, multiply_high<T>>;
  if (name == "mad" && has_part(parts, "lo")) return ternary<T, multiply_add_low<T>>;
  if (name == "mad" && has_part(parts, "hi")) return ternary<T, multiply_add_high<T>>;
  if constexpr (sizeof(T) == 2 || sizeof(T) == 4) {
    if (name == "mul" && has_part(parts, "wide")) return binary<T, multiply_wide<T>>;
    if (name == "mad" && has_part(parts, "wide"))
      return [](Warp& warp, const Instruction& i, Mask mask) {
        const uint64_t *const a = warp.source(i, 0), *const b = warp.source(i, 1),
                              *const c = warp.source(i, 2);
        using Product = decltype(multiply_wide<T>(T{}, T{}));
        each_lane(warp, i, mask, [=](int l) {
          return bits_of(
              add(multiply_wide(value_of<T>(a[l]), value_of<T>(b[l])), value_of<Product>(c[l])));
        });
      };
  }
  return nullptr;
}

template <typename T>
Handler bitwise(std::string_view name) {
  if (name == "shl") return shift_left<T>;
  if (name == "shr") return shift_right<T>;
  if (name == "bfe") return extract_bits<T>;
  if constexpr (std::is_unsigned_v<T>) {
    if (name == "bfi") return insert_bits<T>;
    if (name == "not") return unary<T, bit_not<T>>;
    if (name == "popc") return unary<T, count_ones<T>>;
    if (name == "clz") return unary<T, leading_zeros<T>>;
    if (name == "brev") return unary<T, reversed<T>>;
  }
  return nullptr;
}

Result<Decoded> decode_compare(Instruction& instruction, const Parts& parts) {
  if (parts.size() < 3 || parts.size() > 4) return not_emulated();
  const auto at =
      std::ranges::find(kCompares, parts[1], &std::pair<std::string_view, Compare>::first);
  uint32_t detail = 0;
  if (at != std::end(kCompares))
    detail = static_cast<uint32_t>(at->second) | (at->first.size() == 3 ? kUnordered : uint32_t{0});
  else if (parts[1] == "num")
    detail = kNumbers;
  else if (parts[1] == "nan")
    detail = kNan;
  else
    return not_emulated();
  if (parts.size() == 4) {
    if (parts[2] == "and")
      detail |= kAnd;
    else if (parts[2] == "or")
      detail |= kOr;
    else if (parts[2] == "xor")
      detail |= kXor;
    else
      return not_emulated();
  }
  if (instruction.source_count != (parts.size() == 4 ? 3 : 2)) return not_emulated();
  instruction.detail = detail;
  if (instruction.type == PtxType::kF32)
    instruction.handler = set_predicate<float>;
  else if (instruction.type == PtxType::kF64)
    instruction.handler = set_predicate<double>;
  else
    instruction.handler =
        for_integer(instruction.type, []<typename T>() -> Handler { return set_predicate<T>; });
  return instruction.handler != nullptr ? Result(Decoded::kYes) : not_emulated();
}

// Whatever the type: bits are moved and combined as they are.
Handler any_type(std::string_view name, const Instruction& instruction) {
  if (name == "mov") {
    const bool whole = instruction.source_count == 1 && instruction.destination_count == 1;
    return whole ? unary<uint64_t, same> : move_parts;
  }
  if (name == "selp") return select;
  if (name == "and") return binary<uint64_t, bit_and>;
  if (name == "or") return binary<uint64_t, bit_or>;
  if (name == "xor") return binary<uint64_t, bit_xor>;
  if (name == "not" && instruction.type == PtxType::kPred) return unary<uint8_t, predicate_not>;
  return nullptr;
}

Handler dot_product(const Parts& parts) {
  const auto is_known = [](std::string_view type) { return type == "s32" || type == "u32"; };
  if (parts.size() != 3 || !is_known(parts[1]) || !is_known(parts[2])) return nullptr;
  const bool a = parts[1] == "s32", b = parts[2] == "s32";
  if (a)
    return b ? ternary<uint32_t, dot_bytes<int8_t, int8_t>>
             : ternary<uint32_t, dot_bytes<int8_t, uint8_t>>;
  return b ? ternary<uint32_t, dot_bytes<uint8_t, int8_t>>
           : ternary<uint32_t, dot_bytes<uint8_t, uint8_t>>;
}

}  // namespace

Result<Decoded> decode_integer(Instruction& instruction, const Parts& parts) {
  const std::string_view name = parts[0];
  if (name == "setp") return decode_compare(instruction, parts);
  Handler handler = any_type(name, instruction);
  if (handler != nullptr && !only_has(parts, {})) return not_emulated();
  if (name == "dp4a") handler = dot_product(parts);
  if (name == "lop3" && parts.size() == 2) handler = look_up_bits;
  if (name == "prmt" && parts.size() == 2) handler = ternary<uint32_t, permute>;
  if (name == "shf") {
    if (!only_has(parts, {"l", "r", "wrap", "clamp"})) return not_emulated();
    instruction.detail = (has_part(parts, "l") ? 1U : 0U) | (has_part(parts, "clamp") ? 2U : 0U);
    handler = funnel_shift;
  }
  if (handler == nullptr && !is_float(instruction.type)) {
    handler = for_integer(instruction.type, [&]<typename T>() -> Handler {
      const Handler arithmetical = arithmetic<T>(name, parts);
      return arithmetical != nullptr ? arithmetical : bitwise<T>(name);
    });
    const bool has_half = name == "mul" || name == "mad";
    if (handler != nullptr && (!only_has(parts, {"lo", "hi", "wide"}) ||
                               parts.size() != (has_half ? size_t{3} : size_t{2})))
      return not_emulated();
  }
  if (handler == nullptr) return Decoded::kNotOfThisGroup;
  instruction.handler = handler;
  return Decoded::kYes;
}

}  // namespace bitnetc::emulator
