// Tables that turn an index of a packed layout into codes w + 1 of its weights, for byte shuffles.
#pragma once

#include <cstdint>

namespace bitnetc {
namespace {  // NOLINT(google-build-namespaces)

// Code of the weight that is the `digit`-th base-3 digit (0: the last) of value, when all digits
// are -1..1 and the value is shifted to be non-negative.
constexpr int digit_code(int shifted_value, int digit) {
  for (; digit > 0; --digit) shifted_value /= 3;
  return shifted_value % 3;
}

// Value + 4 of a tl1 nibble, value + 13 of a tl2 field; 0 for bits that do not occur.
constexpr int shifted_tl1(int nibble) {
  const int value = nibble < 8 ? nibble : nibble - 16;
  return -4 <= value && value <= 4 ? value + 4 : 0;
}
constexpr int shifted_tl2(int field) {
  const int magnitude = field & 15;
  return magnitude > 13 ? 0 : 13 + (field & 16 ? -magnitude : magnitude);
}

struct alignas(64) ShuffleTable {
  uint8_t at[64];
};
template <typename Entry>
constexpr ShuffleTable make_table(Entry entry) {
  ShuffleTable table{};
  for (int i = 0; i < 64; ++i) table.at[i] = static_cast<uint8_t>(entry(i));
  return table;
}

// tl1: the first and the second weight of a pair, 16 entries repeated.
constexpr ShuffleTable kTl1First =
    make_table([](int i) { return digit_code(shifted_tl1(i % 16), 1); });
constexpr ShuffleTable kTl1Second =
    make_table([](int i) { return digit_code(shifted_tl1(i % 16), 0); });

// Two-bit codes of a triple, first weight lowest.
constexpr int packed_triple(int shifted) {
  return digit_code(shifted, 2) | digit_code(shifted, 1) << 2 | digit_code(shifted, 0) << 4;
}

}  // namespace
}  // namespace bitnetc
