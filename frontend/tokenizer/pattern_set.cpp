#include "frontend/tokenizer/pattern_set.h"

#include <algorithm>

#include "runtime/status.h"

namespace bitnetc {
namespace {

// The byte `depth` places before the last one.
uint8_t byte_from_end(std::string_view text, size_t depth) {
  return static_cast<uint8_t>(text[text.size() - 1 - depth]);
}

bool is_less_reversed(std::string_view a, std::string_view b) {
  return std::lexicographical_compare(
      a.rbegin(), a.rend(), b.rbegin(), b.rend(),
      [](char x, char y) { return static_cast<uint8_t>(x) < static_cast<uint8_t>(y); });
}

}  // namespace

// Every node is a range of the sorted patterns: those that share its piece of text. The ranges are
// cut level by level, so the nodes come out breadth first and every fallback is there when it is
// needed.
PatternSet::PatternSet(std::span<const std::string_view> patterns) {
  size_t total_bytes = 0;
  for (const std::string_view pattern : patterns) total_bytes += pattern.size();
  BITNETC_CHECK(total_bytes <= kMaxPatternBytes, "{} bytes of patterns", total_bytes);
  std::vector<uint32_t> sorted(patterns.size());
  for (uint32_t i = 0; i < sorted.size(); ++i) sorted[i] = i;
  std::sort(sorted.begin(), sorted.end(),
            [&](uint32_t a, uint32_t b) { return is_less_reversed(patterns[a], patterns[b]); });

  struct Cut {
    uint32_t begin, end;  // of `sorted`
    uint32_t depth;       // bytes of the piece of text
  };
  std::vector<Cut> cuts = {{0, static_cast<uint32_t>(sorted.size()), 0}};  // by node
  nodes_.emplace_back();
  size_t uncounted = 0;
  for (uint32_t node = 0; node < nodes_.size(); ++node) {
    Cut rest = cuts[node];
    if (rest.begin < rest.end && patterns[sorted[rest.begin]].size() == rest.depth)
      nodes_[node].pattern = sorted[rest.begin++];  // the shortest of the range comes first
    else if (node != kRoot)
      nodes_[node].pattern = nodes_[nodes_[node].fallback].pattern;
    nodes_[node].first_child = static_cast<uint32_t>(nodes_.size());
    while (rest.begin < rest.end) {
      const uint8_t byte = byte_from_end(patterns[sorted[rest.begin]], rest.depth);
      uint32_t end = rest.begin;
      while (end < rest.end && byte_from_end(patterns[sorted[end]], rest.depth) == byte) ++end;
      const uint32_t fallback =
          node == kRoot ? kRoot : advance(nodes_[node].fallback, byte, uncounted);
      nodes_.push_back({.fallback = fallback, .byte = byte});
      cuts.push_back({rest.begin, end, rest.depth + 1});
      ++nodes_[node].children;
      if (node == kRoot) root_children_[byte] = static_cast<uint32_t>(nodes_.size()) - 1;
      rest.begin = end;
    }
  }
}

uint32_t PatternSet::child(uint32_t node, uint8_t byte) const {
  if (node == kRoot) return root_children_[byte];
  const auto begin = nodes_.begin() + nodes_[node].first_child;
  const auto end = begin + nodes_[node].children;
  const auto found = std::lower_bound(begin, end, byte, [](const Node& candidate, uint8_t wanted) {
    return candidate.byte < wanted;
  });
  return found == end || found->byte != byte ? kRoot
                                             : static_cast<uint32_t>(found - nodes_.begin());
}

uint32_t PatternSet::advance(uint32_t node, uint8_t byte, size_t& tried) const {
  for (;; node = nodes_[node].fallback) {
    ++tried;
    const uint32_t next = child(node, byte);
    if (next != kRoot || node == kRoot) return next;
  }
}

size_t PatternSet::find_all(std::string_view text, std::vector<Match>& matches) const {
  BITNETC_CHECK(text.size() < UINT32_MAX, "a text of {} bytes", text.size());
  if (nodes_.size() <= 1) return 0;
  size_t tried = 0;
  uint32_t node = kRoot;
  for (size_t at = text.size(); at-- > 0;) {
    node = advance(node, static_cast<uint8_t>(text[at]), tried);
    if (nodes_[node].pattern != kNone)
      matches.push_back({static_cast<uint32_t>(at), nodes_[node].pattern});
  }
  return tried;
}

}  // namespace bitnetc
