#include "runtime/printable.h"

#include <fmt/format.h>

#include <algorithm>
#include <cstdint>

namespace bitnetc {
namespace {

bool is_continuation(char byte) {
  return (static_cast<uint8_t>(byte) & 0xC0) == 0x80;
}

struct Character {
  uint32_t code_point = 0;
  size_t length_bytes = 0;  // 0: the bytes are not valid UTF-8
};

// The first character of `text`, which is not empty.
Character first_character(std::string_view text) {
  const auto lead = static_cast<uint8_t>(text[0]);
  if (lead < 0x80) return {lead, 1};
  const size_t length = lead < 0xC2 ? 0 : lead < 0xE0 ? 2 : lead < 0xF0 ? 3 : lead < 0xF5 ? 4 : 0;
  if (length == 0 || text.size() < length) return {};
  uint32_t code_point = lead & (0x7Fu >> length);
  for (size_t i = 1; i < length; ++i) {
    if (!is_continuation(text[i])) return {};
    code_point = code_point << 6 | (static_cast<uint8_t>(text[i]) & 0x3Fu);
  }
  const bool overlong =
      (length == 3 && code_point < 0x800) || (length == 4 && code_point < 0x10000);
  const bool surrogate = code_point >= 0xD800 && code_point < 0xE000;
  if (overlong || surrogate || code_point > 0x10FFFF) return {};
  return {code_point, length};
}

bool is_control(uint32_t code_point) {
  return code_point < 0x20 || (code_point >= 0x7F && code_point < 0xA0);
}

}  // namespace

std::string printable(std::string_view text, size_t max_bytes) {
  size_t end = std::min(text.size(), max_bytes);
  // A cut falls between characters: a UTF-8 character has at most three continuation bytes.
  for (int i = 0; i < 3 && end > 0 && end < text.size() && is_continuation(text[end]); ++i) --end;
  std::string shown;
  shown.reserve(end);
  for (size_t at = 0; at < end;) {
    const Character character = first_character(text.substr(at, end - at));
    if (character.length_bytes == 0) {
      shown += fmt::format("\\x{:02x}", static_cast<uint8_t>(text[at++]));
      continue;
    }
    if (is_control(character.code_point)) {
      shown += fmt::format("\\x{:02x}", character.code_point);
    } else {
      shown += text.substr(at, character.length_bytes);
    }
    at += character.length_bytes;
  }
  if (end < text.size()) shown += "...";
  return shown;
}

std::string printable_path(std::string_view path) {
  return printable(path, path.size());
}

}  // namespace bitnetc
