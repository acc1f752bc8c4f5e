// What Unicode says about characters: case, category, normal forms. The tables are utf8proc's; only
// characters.cpp includes it. Pure functions: any thread may call them.
#pragma once

#include <array>
#include <cstddef>
#include <cstdint>
#include <string>
#include <string_view>

namespace bitnetc {

// One character's full case mapping: at most three code points.
struct CaseMapping {
  std::array<uint32_t, 3> code_points{};
  size_t count = 0;
};

// The full, locale-independent mappings (SpecialCasing.txt without its conditions): sharp s becomes
// SS, a ligature its letters.
CaseMapping to_upper(uint32_t code_point);
CaseMapping to_lower(uint32_t code_point);
CaseMapping to_title(uint32_t code_point);
CaseMapping to_folded(uint32_t code_point);

bool is_cased(uint32_t code_point);           // upper, lower or title case
bool is_case_ignorable(uint32_t code_point);  // passed over when looking for a word's end
bool is_lower(uint32_t code_point);
bool is_upper(uint32_t code_point);
bool is_title(uint32_t code_point);
bool is_letter(uint32_t code_point);           // L*
bool is_mark(uint32_t code_point);             // M*
bool is_nonspacing_mark(uint32_t code_point);  // Mn
bool is_number(uint32_t code_point);           // N*
bool is_decimal_digit(uint32_t code_point);    // Nd
bool is_punctuation(uint32_t code_point);      // P*
bool is_control(uint32_t code_point);          // Cc, Cf, Cn, Co
bool is_printable(uint32_t code_point);        // as str.isprintable(): no control, no separator
int decimal_value(uint32_t code_point);        // of an Nd character, 0 to 9; else -1

enum class NormalForm { kNfc, kNfd, kNfkc, kNfkd };

// `text` is valid UTF-8.
std::string normalize(std::string_view text, NormalForm form);

// The same for NFC, quickly: most text is NFC already, and what surely is is copied.
std::string normalize_nfc(std::string_view text);

// Whether no normal form joins this character to, or moves it across, what stands before it. True
// for everything below U+0300.
bool starts_afresh(uint32_t code_point);

}  // namespace bitnetc
