// Finds the longest of a set of patterns at every place of a text, in time linear in the text
// whatever the patterns share.
#pragma once

#include <array>
#include <cstddef>
#include <cstdint>
#include <span>
#include <string_view>
#include <vector>

namespace bitnetc {

// An Aho-Corasick automaton over the reversed patterns. It reads a text from its end to its
// beginning; its state is then the longest piece of text from the current place on that ends some
// pattern, so the longest pattern that begins there is known at once. Reading forward would not do:
// the longest match is known only where it cannot grow any more, and what was read past its end has
// to be read again. Immutable: any thread may search with one.
class PatternSet {
 public:
  struct Match {
    uint32_t begin;    // in the text, in bytes
    uint32_t pattern;  // index into the patterns
  };

  PatternSet() = default;
  // The patterns are distinct, not empty, and together shorter than kMaxPatternBytes.
  explicit PatternSet(std::span<const std::string_view> patterns);

  static constexpr size_t kMaxPatternBytes = size_t{1} << 24;

  // For every place of the text (of less than 2^32 bytes) where a pattern begins, the longest one
  // that does, last place first. Matches may overlap. Returns the number of transitions tried,
  // which is at most twice the number of bytes.
  size_t find_all(std::string_view text, std::vector<Match>& matches) const;

 private:
  static constexpr uint32_t kRoot = 0;
  static constexpr uint32_t kNone = UINT32_MAX;

  // A node stands for the end of some pattern, read backward. The children of a node lie side by
  // side, in ascending order of their byte.
  struct Node {
    uint32_t first_child = 0;
    uint32_t fallback = kRoot;  // the longest proper beginning of this piece of text that is a node
    uint32_t pattern = kNone;   // the longest pattern that this piece of text begins with
    uint16_t children = 0;
    uint8_t byte = 0;  // that leads here from the parent
  };

  uint32_t child(uint32_t node, uint8_t byte) const;
  uint32_t advance(uint32_t node, uint8_t byte, size_t& tried) const;

  std::vector<Node> nodes_;  // breadth first; nodes_[kRoot] is the empty piece of text
  std::array<uint32_t, 256> root_children_{};  // by byte; kRoot where there is none
};

}  // namespace bitnetc
