// Sets of code points, as the classes of grammars and regular expressions name them. Surrogates are
// in none: no UTF-8 spells them. Plain values.
#pragma once

#include <cstdint>
#include <vector>

namespace bitnetc::grammar {

inline constexpr uint32_t kLastCodePoint = 0x10FFFF;

struct CodePointRange {
  uint32_t first = 0, last = 0;  // both are in it; first <= last <= kLastCodePoint

  bool operator==(const CodePointRange&) const = default;
};

class CharacterSet {
 public:
  CharacterSet() = default;
  static CharacterSet all();
  static CharacterSet of(uint32_t code_point) { return range(code_point, code_point); }
  static CharacterSet range(uint32_t first, uint32_t last);
  static CharacterSet of_ranges(std::vector<CodePointRange> ranges);  // in any order

  void add(const CharacterSet& other);
  CharacterSet complement() const;
  CharacterSet without(const CharacterSet& other) const;
  CharacterSet both(const CharacterSet& other) const;

  bool empty() const { return ranges_.empty(); }
  bool contains(uint32_t code_point) const;
  const std::vector<CodePointRange>& ranges() const { return ranges_; }

  bool operator==(const CharacterSet&) const = default;

 private:
  void normalize();

  std::vector<CodePointRange> ranges_;  // ascending, apart, without surrogates
};

// Those of plain ids (frontend/token_trie.h).
const CharacterSet& plain_characters();

struct ByteRange {
  uint8_t first = 0, last = 0;

  auto operator<=>(const ByteRange&) const = default;
};

// The UTF-8 of a set: of each character exactly one sequence of ranges holds its bytes.
std::vector<std::vector<ByteRange>> utf8_sequences(const CharacterSet& set);

}  // namespace bitnetc::grammar
