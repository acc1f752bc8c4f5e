#include "frontend/jinja/text.h"

#include <algorithm>

#include "frontend/unicode/utf8.h"

namespace bitnetc::jinja {
namespace {

constexpr char32_t kReplacement = 0xFFFD;

// For every prefix of `needle`, the length of its longest proper prefix that is also its suffix.
std::vector<size_t> borders(TextView needle) {
  std::vector<size_t> border(needle.size(), 0);
  for (size_t i = 1; i < needle.size(); ++i) {
    size_t length = border[i - 1];
    while (length > 0 && code_point(needle[i]) != code_point(needle[length]))
      length = border[length - 1];
    if (code_point(needle[i]) == code_point(needle[length])) ++length;
    border[i] = length;
  }
  return border;
}

// Finds one needle again and again.
class Finder {
 public:
  explicit Finder(TextView needle) : needle_(needle), border_(borders(needle)) {}

  size_t find(TextView text, size_t from) const {
    size_t matched = 0;
    for (size_t i = from; i < text.size(); ++i) {
      while (matched > 0 && code_point(text[i]) != code_point(needle_[matched]))
        matched = border_[matched - 1];
      if (code_point(text[i]) == code_point(needle_[matched])) ++matched;
      if (matched == needle_.size()) return i + 1 - matched;
    }
    return TextView::npos;
  }

 private:
  TextView needle_;
  std::vector<size_t> border_;
};

}  // namespace

Text from_utf8(std::string_view bytes, char32_t mark) {
  Text text;
  text.reserve(bytes.size());
  while (!bytes.empty()) {
    const Utf8Unit unit = first_utf8_unit(bytes);
    if (unit.kind == Utf8Kind::kValid) {
      text.push_back(unit.code_point | mark);
    } else {
      text.append(unit.length_bytes, kReplacement | mark);
    }
    bytes.remove_prefix(unit.length_bytes);
  }
  return text;
}

void append_ascii(std::string_view ascii, Text& text) {
  for (const char c : ascii) text.push_back(static_cast<unsigned char>(c));
}

std::string to_utf8(TextView text) {
  std::string bytes;
  bytes.reserve(text.size());
  for (const char32_t character : text) append_utf8(code_point(character), bytes);
  return bytes;
}

bool equal(TextView a, TextView b) {
  return a.size() == b.size() &&
         std::equal(a.begin(), a.end(), b.begin(),
                    [](char32_t x, char32_t y) { return code_point(x) == code_point(y); });
}

int compare(TextView a, TextView b) {
  const size_t shared = std::min(a.size(), b.size());
  for (size_t i = 0; i < shared; ++i) {
    const char32_t x = code_point(a[i]), y = code_point(b[i]);
    if (x != y) return x < y ? -1 : 1;
  }
  if (a.size() == b.size()) return 0;
  return a.size() < b.size() ? -1 : 1;
}

bool starts_with(TextView text, TextView prefix) {
  return text.size() >= prefix.size() && equal(text.substr(0, prefix.size()), prefix);
}

bool ends_with(TextView text, TextView suffix) {
  return text.size() >= suffix.size() && equal(text.substr(text.size() - suffix.size()), suffix);
}

size_t find(TextView text, TextView needle, size_t from) {
  if (from > text.size() || needle.size() > text.size() - from) return TextView::npos;
  if (needle.empty()) return from;
  return Finder(needle).find(text, from);
}

std::vector<size_t> find_all(TextView text, TextView needle, size_t most) {
  std::vector<size_t> places;
  if (needle.empty()) {
    for (size_t at = 0; at <= text.size() && places.size() < most; ++at) places.push_back(at);
    return places;
  }
  const Finder finder(needle);
  for (size_t at = 0; places.size() < most; at += needle.size()) {
    at = finder.find(text, at);
    if (at == TextView::npos) break;
    places.push_back(at);
  }
  return places;
}

bool is_python_space(char32_t character) {
  const char32_t c = code_point(character);
  return is_white_space(c) || (c >= 0x1C && c <= 0x1F);
}

}  // namespace bitnetc::jinja
