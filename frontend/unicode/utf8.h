// UTF-8 as the frontend needs it: checking, reading one character, and repairing decoded bytes.
#pragma once

#include <cstddef>
#include <cstdint>
#include <string>
#include <string_view>

namespace bitnetc {

enum class Utf8Kind {
  kValid,       // a whole character
  kInvalid,     // the longest prefix of a character that cannot be continued by what follows it
  kUnfinished,  // the text ends inside a character that is valid so far
};

struct Utf8Unit {
  Utf8Kind kind;
  uint32_t code_point;  // meaningful for kValid only
  size_t length_bytes;  // at least 1
};

// The unit at the start of `bytes`, which is not empty. Follows the table of well-formed sequences
// of the Unicode standard: no surrogates, no overlong forms, nothing above U+10FFFF.
Utf8Unit first_utf8_unit(std::string_view bytes);

// The offset of the first byte that does not start a valid character; npos for valid text.
size_t find_invalid_utf8(std::string_view text);

// U+FFFD.
inline constexpr std::string_view kReplacementCharacter = "\xEF\xBF\xBD";

void append_utf8(uint32_t code_point, std::string& out);

// Appends `bytes` to `out` with every invalid unit as one U+FFFD. An unfinished character at the
// end is U+FFFD if `is_last` and is left alone otherwise. Returns the number of bytes used up.
size_t append_repaired_utf8(std::string_view bytes, bool is_last, std::string& out);

// The White_Space property, which is what \s means in the regexes of a tokenizer.json.
bool is_white_space(uint32_t code_point);

}  // namespace bitnetc
