#include "frontend/grammar/source_text.h"

#include <algorithm>

#include "frontend/grammar/character_set.h"
#include "frontend/unicode/utf8.h"
#include "runtime/printable.h"

namespace bitnetc::grammar {
namespace {

int hex_value(char digit) {
  if (digit >= '0' && digit <= '9') return digit - '0';
  if (digit >= 'a' && digit <= 'f') return digit - 'a' + 10;
  if (digit >= 'A' && digit <= 'F') return digit - 'A' + 10;
  return -1;
}

}  // namespace

bool SourceText::consume(std::string_view word) {
  if (!starts_with(word)) return false;
  at_ += word.size();
  return true;
}

uint32_t SourceText::take_character() {
  const Utf8Unit unit = first_utf8_unit(text_.substr(at_));
  at_ += unit.length_bytes;
  return unit.code_point;
}

Result<uint32_t> SourceText::take_hex(int digits) {
  const size_t begin = at_;
  uint32_t value = 0;
  for (int i = 0; i < digits; ++i) {
    const int digit = hex_value(peek());
    if (digit < 0) return error(fmt::format("expected {} hexadecimal digits", digits));
    value = value << 4 | static_cast<uint32_t>(digit);
    ++at_;
  }
  if (value > kLastCodePoint || (value >= 0xD800 && value <= 0xDFFF))
    return error_at(begin, "expected the code point of a character, no surrogate");
  return value;
}

Result<uint32_t> SourceText::take_count(uint32_t most) {
  const size_t begin = at_;
  uint64_t value = 0;
  while (peek() >= '0' && peek() <= '9') {
    value = std::min<uint64_t>(value * 10 + static_cast<uint64_t>(peek() - '0'), uint64_t{1} << 32);
    ++at_;
  }
  if (at_ == begin) return error("expected a number");
  if (value > most) return error_at(begin, fmt::format("expected at most {}", most));
  return static_cast<uint32_t>(value);
}

Status SourceText::error_at(size_t offset, std::string_view expected) const {
  if (offset == text_.size()) return unclosed(offset, expected);
  if (text_[offset] == '\n') return error_with(offset, expected, "the end of the line");
  const Utf8Unit unit = first_utf8_unit(text_.substr(offset));
  return error_with(offset, expected,
                    fmt::format("'{}'", printable(text_.substr(offset, unit.length_bytes))));
}

Status SourceText::unclosed(size_t offset, std::string_view expected) const {
  return error_with(offset, expected, "the end");
}

Status SourceText::error_with(size_t offset, std::string_view expected,
                              std::string_view found) const {
  const std::string_view before = text_.substr(0, offset);
  const auto line = std::ranges::count(before, '\n') + 1;
  const size_t line_begin =
      before.rfind('\n') == std::string_view::npos ? 0 : before.rfind('\n') + 1;
  const auto column =
      std::ranges::count_if(before.substr(line_begin), [](char c) { return (c & 0xC0) != 0x80; }) +
      1;
  return make_error(StatusCode::kInvalidArgument, "{}, line {}, column {}: {}, found {}", what_,
                    line, column, expected, found);
}

Status check_utf8(std::string_view what, std::string_view text) {
  const size_t at = find_invalid_utf8(text);
  if (at == std::string_view::npos) return {};
  return make_error(StatusCode::kInvalidArgument, "{}: not valid UTF-8 at byte {} (0x{:02X})", what,
                    at, static_cast<uint8_t>(text[at]));
}

}  // namespace bitnetc::grammar
