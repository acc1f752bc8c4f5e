#include "tools/bitnetc/terminal.h"

#include <fmt/format.h>
#include <sys/ioctl.h>
#include <unistd.h>

#include <algorithm>
#include <cstdint>

#include "runtime/columns.h"

namespace bitnetc {
namespace {

struct Character {
  uint32_t code = 0;
  size_t bytes = 1;
  bool valid = false;
};

// The first character of `text`, which is not empty. Overlong forms and surrogates are not valid.
Character first_character(std::string_view text) {
  const auto lead = static_cast<uint8_t>(text[0]);
  if (lead < 0x80) return {.code = lead, .bytes = 1, .valid = true};
  const size_t bytes = lead >= 0xf0 ? 4 : lead >= 0xe0 ? 3 : 2;
  if (lead < 0xc2 || lead > 0xf4 || text.size() < bytes) return {};
  uint32_t code = lead & (0xffu >> (bytes + 1));
  for (size_t i = 1; i < bytes; ++i) {
    const auto next = static_cast<uint8_t>(text[i]);
    if ((next & 0xc0) != 0x80) return {};
    code = code << 6 | (next & 0x3f);
  }
  constexpr uint32_t kLeast[] = {0, 0, 0x80, 0x800, 0x10000};
  const bool is_surrogate = code >= 0xd800 && code <= 0xdfff;
  if (code < kLeast[bytes] || code > 0x10ffff || is_surrogate) return {};
  return {.code = code, .bytes = bytes, .valid = true};
}

bool is_bidirectional_override(uint32_t code) {
  return (code >= 0x202a && code <= 0x202e) || (code >= 0x2066 && code <= 0x2069);
}

void append_shown(std::string& out, std::string_view bytes, const Character& character) {
  const uint32_t code = character.code;
  if (!character.valid) {
    out += fmt::format("\\x{:02x}", static_cast<uint8_t>(bytes[0]));
  } else if (is_bidirectional_override(code)) {
    out += fmt::format("\\u{:04x}", code);
  } else if ((code < 0x20 && code != '\n' && code != '\t') || (code >= 0x7f && code < 0xa0)) {
    out += fmt::format("\\x{:02x}", code);
  } else {
    out += bytes;
  }
}

// Where the rest of a broken line begins.
int hanging_indent(std::string_view line) {
  constexpr size_t kWidestLabel = 16;
  const size_t lead = std::min(line.find_first_not_of(' '), line.size());
  if (lead > 0) return static_cast<int>(lead) + 2;
  const size_t gap = line.find("  ");
  const size_t second = gap == line.npos ? line.npos : line.find_first_not_of(' ', gap);
  return second <= kWidestLabel ? static_cast<int>(second) : 4;
}

// The bytes of the first `columns` characters.
size_t bytes_of_columns(std::string_view text, int columns) {
  size_t at = 0;
  for (; at < text.size() && columns > 0; --columns) at += first_character(text.substr(at)).bytes;
  return at;
}

void append_fitted_line(std::string& out, std::string_view line, int width) {
  const std::string indent(static_cast<size_t>(std::min(hanging_indent(line), width / 2)), ' ');
  size_t text_begin = std::min(line.find_first_not_of(' '), line.size());
  int room = width;
  while (display_width(line) > room) {
    size_t end = line.rfind(' ', bytes_of_columns(line, room));
    if (end == line.npos || end < text_begin) end = line.find(' ', text_begin);
    if (end == line.npos) break;
    out += line.substr(0, line.find_last_not_of(' ', end) + 1);
    line.remove_prefix(std::min(line.find_first_not_of(' ', end), line.size()));
    if (line.empty()) return;
    out += "\n" + indent;
    room = width - static_cast<int>(indent.size());
    text_begin = 0;
  }
  out += line;
}

}  // namespace

std::string shown(std::string_view text) {
  std::string out;
  out.reserve(text.size());
  while (!text.empty()) {
    const Character character = first_character(text);
    append_shown(out, text.substr(0, character.bytes), character);
    text.remove_prefix(character.bytes);
  }
  return out;
}

std::string shown_on_a_line(std::string_view text, size_t most) {
  std::string cut;
  if (text.size() > most) {
    const size_t head = most * 2 / 3, tail = most / 4;
    cut = fmt::format("{} ... ({} bytes left out) ... {}", text.substr(0, head),
                      text.size() - head - tail, text.substr(text.size() - tail));
    text = cut;
  }
  std::string line = shown(text);
  for (size_t at = 0; (at = line.find('\n', at)) != line.npos; at += 2) line.replace(at, 1, "\\n");
  return line;
}

int terminal_width(int fd) {
  constexpr int kUnknown = 80, kLeast = 20, kMost = 1000;
  int columns = columns_of_environment();
  if (winsize size = {}; columns <= 0 && ::ioctl(fd, TIOCGWINSZ, &size) == 0) columns = size.ws_col;
  return columns <= 0 ? kUnknown : std::clamp(columns, kLeast, kMost);
}

std::string fit(std::string_view text, int width) {
  std::string out;
  while (!text.empty()) {
    const size_t newline = text.find('\n');
    append_fitted_line(out, text.substr(0, newline), width);
    if (newline == text.npos) break;
    out += '\n';
    text.remove_prefix(newline + 1);
  }
  return out;
}

int display_width(std::string_view text) {
  return static_cast<int>(
      std::count_if(text.begin(), text.end(), [](char c) { return (c & 0xc0) != 0x80; }));
}

}  // namespace bitnetc
