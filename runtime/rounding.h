// Division and multiples that round up.
//
// Always inlined: a file compiled for a tier's instructions must leave no copy of a shared function
// behind, for the linker could let every other file call that copy.
#pragma once

#include <concepts>
#include <type_traits>

namespace bitnetc {

// Both arguments are positive or `value` is zero; the result has the type of `value`.
template <std::integral T>
[[gnu::always_inline]] constexpr T ceil_div(T value, std::type_identity_t<T> divisor) {
  return (value + divisor - 1) / divisor;
}
template <std::integral T>
[[gnu::always_inline]] constexpr T round_up(T value, std::type_identity_t<T> multiple) {
  return ceil_div(value, multiple) * multiple;
}

}  // namespace bitnetc
