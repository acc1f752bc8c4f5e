#include "frontend/jinja/string_escapes.h"

#include <optional>

namespace bitnetc::jinja {
namespace {

std::optional<uint32_t> digit_of(char32_t c, uint32_t base) {
  uint32_t digit = 99;
  if (c >= '0' && c <= '9') digit = c - '0';
  if ((c | 0x20) >= 'a' && (c | 0x20) <= 'f') digit = (c | 0x20) - 'a' + 10;
  return digit < base ? std::optional(digit) : std::nullopt;
}

char32_t simple_escape(char32_t c) {
  switch (c) {
    case 'n': return '\n';
    case 't': return '\t';
    case 'r': return '\r';
    case 'a': return '\a';
    case 'b': return '\b';
    case 'f': return '\f';
    case 'v': return '\v';
    case '\\':
    case '\'':
    case '"': return c;
    default: return 0;
  }
}

// `count` hexadecimal digits at literal[at].
Result<char32_t> read_hex(TextView literal, size_t at, size_t count) {
  uint32_t value = 0;
  for (size_t i = 0; i < count; ++i) {
    const auto digit =
        at + i < literal.size() ? digit_of(literal[at + i], 16) : std::optional<uint32_t>();
    if (!digit)
      return make_error(StatusCode::kDataCorrupt,
                        "an escape in a string: expected {} hexadecimal "
                        "digits",
                        count);
    value = value * 16 + *digit;
  }
  if (value > 0x10FFFF || (value >= 0xD800 && value < 0xE000))
    return make_error(StatusCode::kDataCorrupt,
                      "an escape in a string: U+{:04X} is not a character", value);
  return char32_t{value};
}

}  // namespace

Result<Text> unescape(TextView literal) {
  Text text;
  for (size_t i = 0; i < literal.size(); ++i) {
    if (literal[i] != '\\' || i + 1 == literal.size()) {
      text.push_back(literal[i]);
      continue;
    }
    const char32_t c = literal[++i];
    const size_t hex_digits = c == 'x' ? 2 : c == 'u' ? 4 : c == 'U' ? 8 : 0;
    if (c == '\n') continue;
    if (const char32_t simple = simple_escape(c)) {
      text.push_back(simple);
    } else if (hex_digits > 0) {
      BITNETC_ASSIGN_OR_RETURN(const char32_t character, read_hex(literal, i + 1, hex_digits));
      text.push_back(character);
      i += hex_digits;
    } else if (digit_of(c, 8)) {
      uint32_t value = 0;
      size_t count = 0;
      for (; count < 3 && i + count < literal.size(); ++count) {
        const auto digit = digit_of(literal[i + count], 8);
        if (!digit) break;
        value = value * 8 + *digit;
      }
      text.push_back(value);
      i += count - 1;
    } else {
      text.push_back('\\');
      text.push_back(c);
    }
  }
  return text;
}

}  // namespace bitnetc::jinja
