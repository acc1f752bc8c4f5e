#include "frontend/unicode/characters.h"

#include <utf8proc.h>

#include <algorithm>
#include <cstdlib>
#include <initializer_list>
#include <memory>

#include "frontend/unicode/utf8.h"
#include "runtime/status.h"

namespace bitnetc {
namespace {

utf8proc_category_t category(uint32_t code_point) {
  return utf8proc_category(static_cast<utf8proc_int32_t>(code_point));
}

bool is_in(uint32_t code_point, std::initializer_list<utf8proc_category_t> categories) {
  for (const utf8proc_category_t each : categories)
    if (category(code_point) == each) return true;
  return false;
}

CaseMapping one(uint32_t code_point) {
  return {{code_point}, 1};
}

using SimpleMapping = utf8proc_int32_t (*)(utf8proc_int32_t);

uint32_t map_simply(SimpleMapping mapping, uint32_t code_point) {
  return static_cast<uint32_t>(mapping(static_cast<utf8proc_int32_t>(code_point)));
}

bool is_greek_with_iota(uint32_t code_point) {
  return code_point >= 0x1F80 && code_point <= 0x1FFF;
}

struct FreeText {
  void operator()(utf8proc_uint8_t* text) const { std::free(text); }
};

utf8proc_option_t options_of(NormalForm form) {
  const auto options = [](int bits) { return static_cast<utf8proc_option_t>(bits); };
  switch (form) {
    case NormalForm::kNfc: return options(UTF8PROC_STABLE | UTF8PROC_COMPOSE);
    case NormalForm::kNfd: return options(UTF8PROC_STABLE | UTF8PROC_DECOMPOSE);
    case NormalForm::kNfkc: return options(UTF8PROC_STABLE | UTF8PROC_COMPOSE | UTF8PROC_COMPAT);
    case NormalForm::kNfkd: return options(UTF8PROC_STABLE | UTF8PROC_DECOMPOSE | UTF8PROC_COMPAT);
  }
  return options(0);
}

}  // namespace

CaseMapping to_folded(uint32_t code_point) {
  std::array<utf8proc_int32_t, 8> folded{};
  int boundary = 0;
  const utf8proc_ssize_t count = utf8proc_decompose_char(
      static_cast<utf8proc_int32_t>(code_point), folded.data(), folded.size(),
      static_cast<utf8proc_option_t>(UTF8PROC_CASEFOLD), &boundary);
  CaseMapping mapping;
  if (count < 1 || static_cast<size_t>(count) > mapping.code_points.size()) return one(code_point);
  for (utf8proc_ssize_t i = 0; i < count; ++i)
    mapping.code_points[mapping.count++] = static_cast<uint32_t>(folded[static_cast<size_t>(i)]);
  return mapping;
}

// A character whose case folding is longer than itself has no single upper case; its full one is
// the upper case of the folding. Capital letters that fold to several (U+0130, U+1E9E) are
// themselves.
CaseMapping to_upper(uint32_t code_point) {
  if (code_point < 0x80) return one(map_simply(utf8proc_toupper, code_point));
  CaseMapping mapping = to_folded(code_point);
  if (mapping.count < 2 || is_in(code_point, {UTF8PROC_CATEGORY_LU}))
    return one(map_simply(utf8proc_toupper, code_point));
  for (size_t i = 0; i < mapping.count; ++i)
    mapping.code_points[i] = map_simply(utf8proc_toupper, mapping.code_points[i]);
  return mapping;
}

CaseMapping to_lower(uint32_t code_point) {
  if (code_point == 0x130) return {{'i', 0x307}, 2};
  return one(map_simply(utf8proc_tolower, code_point));
}

// A character of title case, if there is one; else the first cased letter of the folding is raised,
// and an iota that was a subscript is one again.
CaseMapping to_title(uint32_t code_point) {
  const uint32_t simple = map_simply(utf8proc_totitle, code_point);
  CaseMapping mapping = to_folded(code_point);
  if (is_title(simple) || mapping.count < 2 || !is_in(code_point, {UTF8PROC_CATEGORY_LL}))
    return one(simple);
  for (size_t i = 0; i < mapping.count; ++i) {
    if (map_simply(utf8proc_totitle, mapping.code_points[i]) == mapping.code_points[i]) continue;
    mapping.code_points[i] = map_simply(utf8proc_totitle, mapping.code_points[i]);
    break;
  }
  uint32_t& last = mapping.code_points[mapping.count - 1];
  if (is_greek_with_iota(code_point) && last == 0x3B9) last = 0x345;
  return mapping;
}

bool is_lower(uint32_t code_point) {
  return utf8proc_islower(static_cast<utf8proc_int32_t>(code_point)) != 0;
}

bool is_upper(uint32_t code_point) {
  return utf8proc_isupper(static_cast<utf8proc_int32_t>(code_point)) != 0;
}

bool is_title(uint32_t code_point) {
  return is_in(code_point, {UTF8PROC_CATEGORY_LT});
}

bool is_cased(uint32_t code_point) {
  return is_lower(code_point) || is_upper(code_point) || is_title(code_point);
}

bool is_case_ignorable(uint32_t code_point) {
  constexpr std::u32string_view kMidWord = U"'.:\u00B7\u0387\u05F4\u2018\u2019\u2024";
  if (kMidWord.find(code_point) != kMidWord.npos) return true;
  return is_in(code_point, {UTF8PROC_CATEGORY_MN, UTF8PROC_CATEGORY_ME, UTF8PROC_CATEGORY_CF,
                            UTF8PROC_CATEGORY_LM, UTF8PROC_CATEGORY_SK});
}

bool is_letter(uint32_t code_point) {
  return is_in(code_point, {UTF8PROC_CATEGORY_LU, UTF8PROC_CATEGORY_LL, UTF8PROC_CATEGORY_LT,
                            UTF8PROC_CATEGORY_LM, UTF8PROC_CATEGORY_LO});
}

bool is_mark(uint32_t code_point) {
  return is_in(code_point, {UTF8PROC_CATEGORY_MN, UTF8PROC_CATEGORY_MC, UTF8PROC_CATEGORY_ME});
}

bool is_nonspacing_mark(uint32_t code_point) {
  return is_in(code_point, {UTF8PROC_CATEGORY_MN});
}

bool is_number(uint32_t code_point) {
  return is_in(code_point, {UTF8PROC_CATEGORY_ND, UTF8PROC_CATEGORY_NL, UTF8PROC_CATEGORY_NO});
}

bool is_decimal_digit(uint32_t code_point) {
  return is_in(code_point, {UTF8PROC_CATEGORY_ND});
}

bool is_punctuation(uint32_t code_point) {
  return is_in(code_point, {UTF8PROC_CATEGORY_PC, UTF8PROC_CATEGORY_PD, UTF8PROC_CATEGORY_PS,
                            UTF8PROC_CATEGORY_PE, UTF8PROC_CATEGORY_PI, UTF8PROC_CATEGORY_PF,
                            UTF8PROC_CATEGORY_PO});
}

bool is_control(uint32_t code_point) {
  return is_in(code_point, {UTF8PROC_CATEGORY_CC, UTF8PROC_CATEGORY_CF, UTF8PROC_CATEGORY_CN,
                            UTF8PROC_CATEGORY_CO, UTF8PROC_CATEGORY_CS});
}

bool is_printable(uint32_t code_point) {
  if (code_point == ' ') return true;
  return !is_control(code_point) &&
         !is_in(code_point, {UTF8PROC_CATEGORY_ZL, UTF8PROC_CATEGORY_ZP, UTF8PROC_CATEGORY_ZS});
}

// The digits of a script stand ten in a row, from 0 to 9, and rows that follow one another without
// a gap (U+1D7CE on) are of ten, too.
int decimal_value(uint32_t code_point) {
  if (code_point >= '0' && code_point <= '9') return static_cast<int>(code_point - '0');
  if (code_point < 0x80 || !is_decimal_digit(code_point)) return -1;
  uint32_t first = code_point;
  while (is_decimal_digit(first - 1)) --first;
  return static_cast<int>((code_point - first) % 10);
}

std::string normalize(std::string_view text, NormalForm form) {
  utf8proc_uint8_t* mapped = nullptr;
  const utf8proc_ssize_t bytes =
      utf8proc_map(reinterpret_cast<const utf8proc_uint8_t*>(text.data()),
                   static_cast<utf8proc_ssize_t>(text.size()), &mapped, options_of(form));
  BITNETC_CHECK(bytes >= 0, "utf8proc: {}", utf8proc_errmsg(bytes));
  const std::unique_ptr<utf8proc_uint8_t, FreeText> owner(mapped);
  return std::string(reinterpret_cast<const char*>(mapped), static_cast<size_t>(bytes));
}

namespace {

// Whether NFC leaves the character alone and does not join it to what stands before it.
bool is_inert_in_nfc(uint32_t code_point) {
  if (code_point < 0x300) return true;
  const bool is_ideograph = code_point >= 0x3400 && code_point <= 0x9FFF;
  const bool is_hangul_syllable = code_point >= 0xAC00 && code_point <= 0xD7A3;
  if (is_ideograph || is_hangul_syllable) return true;
  const utf8proc_property_t* property =
      utf8proc_get_property(static_cast<utf8proc_int32_t>(code_point));
  return property->decomp_seqindex == UINT16_MAX && starts_afresh(code_point);
}

}  // namespace

// What is not inert is normalised together with the character before it, which it may join.
std::string normalize_nfc(std::string_view text) {
  std::string out;
  out.reserve(text.size());
  size_t copied = 0, previous = 0;
  for (size_t at = 0; at < text.size();) {
    const Utf8Unit unit = first_utf8_unit(text.substr(at));
    if (is_inert_in_nfc(unit.code_point)) {
      previous = at;
      at += unit.length_bytes;
      continue;
    }
    size_t end = at;
    while (end < text.size()) {
      const Utf8Unit next = first_utf8_unit(text.substr(end));
      if (is_inert_in_nfc(next.code_point)) break;
      end += next.length_bytes;
    }
    const size_t begin = std::max(previous, copied);
    out.append(text.substr(copied, begin - copied));
    out.append(normalize(text.substr(begin, end - begin), NormalForm::kNfc));
    copied = previous = at = end;
  }
  out.append(text.substr(copied));
  return out;
}

// A character that composes with one before it or has a combining class is a mark, a Hangul vowel
// or a Hangul final; the two letters of Indic scripts that do, too, are marks (Mc).
bool starts_afresh(uint32_t code_point) {
  if (code_point < 0x300) return true;
  const bool is_hangul_tail = (code_point >= 0x1160 && code_point <= 0x11FF);
  return !is_hangul_tail && !is_mark(code_point);
}

}  // namespace bitnetc
