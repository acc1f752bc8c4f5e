// Floats: each operation is one correctly rounded function, as IEEE 754 has it. What a compiler may
// fuse with its neighbours (an addition without .rn) is refused.
#include <cmath>
#include <limits>

#include "runtime/gpu/emulator/instructions.h"

namespace bitnetc::emulator {
namespace {

template <typename T>
T sum_of(T a, T b) {
  return canonical(a + b);
}
template <typename T>
T difference_of(T a, T b) {
  return canonical(a - b);
}
template <typename T>
T product_of(T a, T b) {
  return canonical(a * b);
}
template <typename T>
T quotient_of(T a, T b) {
  return canonical(a / b);
}
template <typename T>
T reciprocal_of(T a) {
  return canonical(T{1} / a);
}
template <typename T>
T root_of(T a) {
  return canonical(std::sqrt(a));
}
template <typename T>
T fused(T a, T b, T c) {
  return canonical(std::fma(a, b, c));
}
// Of a NaN and a number the number; +0 is greater than -0.
template <typename T>
T greater_of(T a, T b) {
  if (a != a) return canonical(b);
  if (b != b) return a;
  if (a == b) return std::signbit(a) ? b : a;
  return a > b ? a : b;
}
template <typename T>
T lesser_of(T a, T b) {
  if (a != a) return canonical(b);
  if (b != b) return a;
  if (a == b) return std::signbit(a) ? a : b;
  return a < b ? a : b;
}
template <typename T>
T negated(T a) {
  return -a;
}
template <typename T>
T magnitude_of(T a) {
  return std::fabs(a);
}

#if defined(__x86_64__)
// std::fma is a call where the build's CPU may lack the instruction.
[[gnu::target("avx2,fma")]] void fused_by_hardware(const uint64_t* a, const uint64_t* b,
                                                   const uint64_t* c, uint64_t* to) {
  for (int lane = 0; lane < kLanes; ++lane) {
    const float value = __builtin_fmaf(std::bit_cast<float>(static_cast<uint32_t>(a[lane])),
                                       std::bit_cast<float>(static_cast<uint32_t>(b[lane])),
                                       std::bit_cast<float>(static_cast<uint32_t>(c[lane])));
    to[lane] = value == value ? std::bit_cast<uint32_t>(value) : 0x7fffffffU;
  }
}
void fused_in_lanes(Warp& warp, const Instruction& i, Mask mask) {
  if (mask != kAllLanes) return ternary<float, fused<float>>(warp, i, mask);
  uint64_t results[kLanes];
  fused_by_hardware(warp.source(i, 0), warp.source(i, 1), warp.source(i, 2), results);
  std::memcpy(warp.destination(i, 0), results, sizeof results);
}
Handler fused_handler() {
  static const bool has_fma = __builtin_cpu_supports("avx2") && __builtin_cpu_supports("fma");
  return has_fma ? fused_in_lanes : ternary<float, fused<float>>;
}
#else
Handler fused_handler() {
  return ternary<float, fused<float>>;
}
#endif

template <typename T>
Handler rounded_operation(std::string_view name) {
  if (name == "add") return binary<T, sum_of<T>>;
  if (name == "sub") return binary<T, difference_of<T>>;
  if (name == "mul") return binary<T, product_of<T>>;
  if (name == "div") return binary<T, quotient_of<T>>;
  if (name == "rcp") return unary<T, reciprocal_of<T>>;
  if (name == "sqrt") return unary<T, root_of<T>>;
  if (name == "fma" || name == "mad") {
    if constexpr (sizeof(T) == 4) return fused_handler();
    return ternary<T, fused<T>>;
  }
  return nullptr;
}

template <typename T>
Handler exact_operation(std::string_view name) {
  if (name == "min") return binary<T, lesser_of<T>>;
  if (name == "max") return binary<T, greater_of<T>>;
  if (name == "neg") return unary<T, negated<T>>;
  if (name == "abs") return unary<T, magnitude_of<T>>;
  return nullptr;
}

}  // namespace

Result<Decoded> decode_float(Instruction& instruction, const Parts& parts) {
  const bool is_single = instruction.type == PtxType::kF32;
  if ((!is_single && instruction.type != PtxType::kF64) || parts.size() < 2)
    return Decoded::kNotOfThisGroup;
  const std::string_view name = parts[0];
  if (const Handler handler =
          is_single ? exact_operation<float>(name) : exact_operation<double>(name)) {
    if (parts.size() != 2) return not_emulated();
    instruction.handler = handler;
    return Decoded::kYes;
  }
  const Handler handler =
      is_single ? rounded_operation<float>(name) : rounded_operation<double>(name);
  if (handler == nullptr) return Decoded::kNotOfThisGroup;
  if (!has_part(parts, "rn"))
    return not_emulated("without .rn it may be fused with its neighbours, or rounded otherwise");
  if (parts.size() != 3) return not_emulated();
  instruction.handler = handler;
  return Decoded::kYes;
}

}  // namespace bitnetc::emulator
