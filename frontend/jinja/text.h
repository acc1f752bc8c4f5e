// Strings of the template engine: code points, each with one bit that says where it came from.
//
// A character that the caller marked (the text of a message) stays marked whatever the template
// does to its string: slices, trims, joins, replacements and case changes move or map characters
// one by one, and a comparison looks at the code point alone. So a finished rendering knows of
// every character whether the template wrote it or somebody typed it, and no template can launder
// one into the other. Lengths, indices and slices count code points, as they do in Python.
#pragma once

#include <cstdint>
#include <string>
#include <string_view>
#include <vector>

namespace bitnetc::jinja {

using Text = std::u32string;
using TextView = std::u32string_view;

inline constexpr char32_t kMarked = char32_t{1} << 31;

inline char32_t code_point(char32_t character) {
  return character & ~kMarked;
}
inline char32_t mark_of(char32_t character) {
  return character & kMarked;
}

// Every byte that is not valid UTF-8 becomes U+FFFD; `mark` is 0 or kMarked.
Text from_utf8(std::string_view bytes, char32_t mark = 0);
void append_ascii(std::string_view ascii, Text& text);
std::string to_utf8(TextView text);  // drops the marks

// By code point.
bool equal(TextView a, TextView b);
int compare(TextView a, TextView b);  // < 0, 0, > 0
bool starts_with(TextView text, TextView prefix);
bool ends_with(TextView text, TextView suffix);
// The first occurrence that starts at `from` or later, in linear time; npos: none.
size_t find(TextView text, TextView needle, size_t from = 0);
// All occurrences that do not overlap, from the left; at most `most` of them. An empty needle is
// found before every character and at the end.
std::vector<size_t> find_all(TextView text, TextView needle, size_t most);

// str.isspace(): White_Space without U+200B and kin, and the separators U+001C to U+001F.
bool is_python_space(char32_t character);

}  // namespace bitnetc::jinja
