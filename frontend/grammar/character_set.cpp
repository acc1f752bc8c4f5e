#include "frontend/grammar/character_set.h"

#include <algorithm>
#include <array>

#include "frontend/unicode/utf8.h"

namespace bitnetc::grammar {
namespace {

constexpr uint32_t kFirstSurrogate = 0xD800, kLastSurrogate = 0xDFFF;

// The last code point of each length in UTF-8.
constexpr std::array<uint32_t, 4> kLastOfLength = {0x7F, 0x7FF, 0xFFFF, kLastCodePoint};

// Of a range whose code points have encodings of one length. It is cut where continuation bytes
// would not be a product of ranges.
void add_sequences(uint32_t first, uint32_t last, std::vector<std::vector<ByteRange>>& found) {
  std::string low, high;
  append_utf8(first, low);
  append_utf8(last, high);
  for (size_t tail = 1; tail < low.size(); ++tail) {
    const uint32_t mask = (uint32_t{1} << (6 * tail)) - 1;
    if ((first & ~mask) == (last & ~mask)) continue;
    if ((first & mask) != 0) {
      add_sequences(first, first | mask, found);
      add_sequences((first | mask) + 1, last, found);
      return;
    }
    if ((last & mask) != mask) {
      add_sequences(first, (last & ~mask) - 1, found);
      add_sequences(last & ~mask, last, found);
      return;
    }
  }
  std::vector<ByteRange> sequence;
  for (size_t i = 0; i < low.size(); ++i)
    sequence.push_back({static_cast<uint8_t>(low[i]), static_cast<uint8_t>(high[i])});
  found.push_back(std::move(sequence));
}

}  // namespace

CharacterSet CharacterSet::range(uint32_t first, uint32_t last) {
  return of_ranges({{first, last}});
}

CharacterSet CharacterSet::of_ranges(std::vector<CodePointRange> ranges) {
  CharacterSet set;
  set.ranges_ = std::move(ranges);
  set.normalize();
  return set;
}

CharacterSet CharacterSet::all() {
  return range(0, kLastCodePoint);
}

void CharacterSet::add(const CharacterSet& other) {
  ranges_.insert(ranges_.end(), other.ranges_.begin(), other.ranges_.end());
  normalize();
}

void CharacterSet::normalize() {
  std::vector<CodePointRange> cut;
  for (const CodePointRange& each : ranges_) {
    if (each.first < kFirstSurrogate)
      cut.push_back({each.first, std::min(each.last, kFirstSurrogate - 1)});
    if (each.last > kLastSurrogate)
      cut.push_back({std::max(each.first, kLastSurrogate + 1), each.last});
  }
  std::ranges::sort(cut, {}, &CodePointRange::first);
  ranges_.clear();
  for (const CodePointRange& each : cut) {
    if (!ranges_.empty() && each.first <= ranges_.back().last + 1) {
      ranges_.back().last = std::max(ranges_.back().last, each.last);
    } else {
      ranges_.push_back(each);
    }
  }
}

CharacterSet CharacterSet::complement() const {
  CharacterSet rest;
  uint32_t next = 0;
  for (const CodePointRange& each : ranges_) {
    if (each.first > next) rest.ranges_.push_back({next, each.first - 1});
    next = each.last + 1;
  }
  if (next <= kLastCodePoint) rest.ranges_.push_back({next, kLastCodePoint});
  rest.normalize();
  return rest;
}

CharacterSet CharacterSet::without(const CharacterSet& other) const {
  CharacterSet rest = complement();
  rest.add(other);
  return rest.complement();
}

CharacterSet CharacterSet::both(const CharacterSet& other) const {
  return without(other.complement());
}

bool CharacterSet::contains(uint32_t code_point) const {
  return std::ranges::any_of(ranges_, [&](const CodePointRange& each) {
    return each.first <= code_point && code_point <= each.last;
  });
}

const CharacterSet& plain_characters() {
  static const CharacterSet set =
      CharacterSet::of_ranges({{' ', '!'}, {'#', '['}, {']', '~'}, {0x80, kLastCodePoint}});
  return set;
}

std::vector<std::vector<ByteRange>> utf8_sequences(const CharacterSet& set) {
  std::vector<std::vector<ByteRange>> found;
  for (const CodePointRange& each : set.ranges()) {
    uint32_t first = each.first;
    for (const uint32_t last : kLastOfLength) {
      if (first > last || first > each.last) continue;
      add_sequences(first, std::min(each.last, last), found);
      first = last + 1;
    }
  }
  return found;
}

}  // namespace bitnetc::grammar
