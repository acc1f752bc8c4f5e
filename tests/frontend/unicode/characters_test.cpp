#include "frontend/unicode/characters.h"

#include <gtest/gtest.h>

#include <vector>

#include "frontend/unicode/utf8.h"

namespace bitnetc {
namespace {

std::vector<uint32_t> code_points(const CaseMapping& mapping) {
  return {mapping.code_points.begin(), mapping.code_points.begin() + mapping.count};
}

using CodePoints = std::vector<uint32_t>;

TEST(Characters, MapTheirCaseInFull) {
  EXPECT_EQ(code_points(to_upper('a')), CodePoints{'A'});
  EXPECT_EQ(code_points(to_upper(0xDF)), (CodePoints{'S', 'S'}));
  EXPECT_EQ(code_points(to_upper(0xFB03)), (CodePoints{'F', 'F', 'I'}));
  EXPECT_EQ(code_points(to_upper(0x130)), CodePoints{0x130});
  EXPECT_EQ(code_points(to_upper(0x1F80)), (CodePoints{0x1F08, 0x399}));
  EXPECT_EQ(code_points(to_title(0xDF)), (CodePoints{'S', 's'}));
  EXPECT_EQ(code_points(to_title(0x1C6)), CodePoints{0x1C5});
  EXPECT_EQ(code_points(to_title(0x1F80)), CodePoints{0x1F88});
  EXPECT_EQ(code_points(to_title(0x149)), (CodePoints{0x2BC, 'N'}));
  EXPECT_EQ(code_points(to_lower(0x130)), (CodePoints{'i', 0x307}));
  EXPECT_EQ(code_points(to_lower(0x1E9E)), CodePoints{0xDF});
  EXPECT_EQ(code_points(to_folded(0x1E9E)), (CodePoints{'s', 's'}));
}

TEST(Characters, HaveTheirCategories) {
  EXPECT_TRUE(is_letter(0x4E00) && is_number(0xBD) && is_mark(0x301) && is_punctuation('!'));
  EXPECT_FALSE(is_punctuation('$') || is_punctuation('+') || is_letter('1'));
  EXPECT_TRUE(is_control(0) && is_control(0xFEFF) && !is_control(' '));
  EXPECT_TRUE(is_printable(' ') && !is_printable(0xA0) && !is_printable(0x2028));
  EXPECT_EQ(decimal_value('7'), 7);
  EXPECT_EQ(decimal_value(0x663), 3);
  EXPECT_EQ(decimal_value(0x1D7D9), 1);
  EXPECT_EQ(decimal_value(0xB2), -1);
}

TEST(Characters, HaveNormalForms) {
  EXPECT_EQ(normalize("e\u0301 \uAC00 \uFB01", NormalForm::kNfc), "\u00E9 \uAC00 \uFB01");
  EXPECT_EQ(normalize("\u00E9 \uAC00", NormalForm::kNfd), "e\u0301 \u1100\u1161");
  EXPECT_EQ(normalize("\uFB01 \u2460 e\u0301", NormalForm::kNfkc), "fi 1 \u00E9");
  EXPECT_EQ(normalize("\uFB01 \u00E9", NormalForm::kNfkd), "fi e\u0301");
  EXPECT_EQ(normalize(std::string_view("a\0b", 3), NormalForm::kNfc), std::string("a\0b", 3));
  EXPECT_TRUE(starts_afresh('a') && starts_afresh(0x4E00));
  EXPECT_FALSE(starts_afresh(0x301) || starts_afresh(0x1161));
}

// The quick way skips what NFC leaves alone; on any text it gives what the whole way gives.
TEST(Characters, NormalizeQuicklyToTheSame) {
  const std::vector<uint32_t> alphabet = {'a',    'e',    ' ',    0xE9,    0x301,  0x323,   0x308,
                                          0x345,  0x344,  0x1EBF, 0x1161,  0x11A8, 0x1100,  0xAC00,
                                          0xAC01, 0x4E00, 0xF900, 0x212B,  0x9C7,  0x9BE,   0x3B1,
                                          0x1F71, 0x416,  0x306,  0x1D15E, 0xFB1D, 0x1F600, 0x958};
  uint64_t state = 1;
  for (int round = 0; round < 20000; ++round) {
    std::string text;
    for (int i = 0; i < 8; ++i) {
      state = state * 6364136223846793005u + 1442695040888963407u;
      append_utf8(alphabet[(state >> 33) % alphabet.size()], text);
    }
    ASSERT_EQ(normalize_nfc(text), normalize(text, NormalForm::kNfc)) << text;
  }
}

}  // namespace
}  // namespace bitnetc
