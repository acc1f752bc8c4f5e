// Loops that the compiler must unroll: arrays of vectors live in registers only where every index
// is a constant.
#pragma once

#include <utility>

namespace bitnetc {
namespace {  // NOLINT(google-build-namespaces)

template <int kValue>
struct Constant {
  static constexpr int value = kValue;
  constexpr operator int() const { return kValue; }
};

template <typename Body, int... kIndices>
[[gnu::always_inline]] inline void unroll(const Body& body,
                                          std::integer_sequence<int, kIndices...>) {
  (body(Constant<kIndices>()), ...);
}

// A vector the compiler is to leave where it is: GCC 12 moves accumulators to and fro in long loops
// (and to the stack and back when registers run short) unless each value has one place.
template <typename Vector>
[[gnu::always_inline]] inline Vector in_one_place(Vector vector) {
  asm("" : "+v"(vector));
  return vector;
}

// body(Constant<0>()), body(Constant<1>()), ...
template <int kCount, typename Body>
[[gnu::always_inline]] inline void unroll(const Body& body) {
  unroll(body, std::make_integer_sequence<int, kCount>());
}

}  // namespace
}  // namespace bitnetc
