#include "frontend/unicode/utf8.h"

namespace bitnetc {
namespace {

struct LeadByte {
  size_t length_bytes;  // 0: cannot start a character
  uint8_t second_min;
  uint8_t second_max;
};

LeadByte classify_lead(uint8_t lead) {
  if (lead < 0x80) return {1, 0, 0};
  if (lead < 0xC2) return {0, 0, 0};
  if (lead < 0xE0) return {2, 0x80, 0xBF};
  if (lead < 0xF0) {
    return {3, uint8_t(lead == 0xE0 ? 0xA0 : 0x80), uint8_t(lead == 0xED ? 0x9F : 0xBF)};
  }
  if (lead < 0xF5) {
    return {4, uint8_t(lead == 0xF0 ? 0x90 : 0x80), uint8_t(lead == 0xF4 ? 0x8F : 0xBF)};
  }
  return {0, 0, 0};
}

}  // namespace

Utf8Unit first_utf8_unit(std::string_view bytes) {
  const auto lead_byte = static_cast<uint8_t>(bytes[0]);
  if (lead_byte < 0x80) return {Utf8Kind::kValid, lead_byte, 1};
  const LeadByte lead = classify_lead(lead_byte);
  if (lead.length_bytes == 0) return {Utf8Kind::kInvalid, 0, 1};

  uint32_t code_point = lead_byte & (0x7Fu >> lead.length_bytes);
  for (size_t i = 1; i < lead.length_bytes; ++i) {
    if (i == bytes.size()) return {Utf8Kind::kUnfinished, 0, i};
    const auto byte = static_cast<uint8_t>(bytes[i]);
    const uint8_t min = i == 1 ? lead.second_min : 0x80;
    const uint8_t max = i == 1 ? lead.second_max : 0xBF;
    if (byte < min || byte > max) return {Utf8Kind::kInvalid, 0, i};
    code_point = code_point << 6 | (byte & 0x3Fu);
  }
  return {Utf8Kind::kValid, code_point, lead.length_bytes};
}

size_t find_invalid_utf8(std::string_view text) {
  size_t at = 0;
  while (at < text.size()) {
    if (static_cast<uint8_t>(text[at]) < 0x80) {
      ++at;
      continue;
    }
    const Utf8Unit unit = first_utf8_unit(text.substr(at));
    if (unit.kind != Utf8Kind::kValid) return at;
    at += unit.length_bytes;
  }
  return std::string_view::npos;
}

void append_utf8(uint32_t code_point, std::string& out) {
  const auto put = [&out](uint32_t byte) { out.push_back(static_cast<char>(byte)); };
  if (code_point < 0x80) {
    put(code_point);
    return;
  }
  if (code_point < 0x800) {
    put(0xC0 | code_point >> 6);
  } else {
    if (code_point < 0x10000) {
      put(0xE0 | code_point >> 12);
    } else {
      put(0xF0 | code_point >> 18);
      put(0x80 | (code_point >> 12 & 0x3F));
    }
    put(0x80 | (code_point >> 6 & 0x3F));
  }
  put(0x80 | (code_point & 0x3F));
}

size_t append_repaired_utf8(std::string_view bytes, bool is_last, std::string& out) {
  size_t at = 0;
  while (at < bytes.size()) {
    const Utf8Unit unit = first_utf8_unit(bytes.substr(at));
    if (unit.kind == Utf8Kind::kUnfinished && !is_last) break;
    if (unit.kind == Utf8Kind::kValid) {
      out.append(bytes.substr(at, unit.length_bytes));
    } else {
      out.append(kReplacementCharacter);
    }
    at += unit.length_bytes;
  }
  return at;
}

bool is_white_space(uint32_t code_point) {
  if (code_point <= 0x20) return code_point == 0x20 || (code_point >= 0x09 && code_point <= 0x0D);
  if (code_point >= 0x2000 && code_point <= 0x200A) return true;
  switch (code_point) {
    case 0x85:
    case 0xA0:
    case 0x1680:
    case 0x2028:
    case 0x2029:
    case 0x202F:
    case 0x205F:
    case 0x3000: return true;
    default: return false;
  }
}

}  // namespace bitnetc
