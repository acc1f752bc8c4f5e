#include "frontend/unicode/utf8.h"

#include <gtest/gtest.h>

#include "frontend/tokenizer/byte_symbols.h"

namespace bitnetc {
namespace {

std::string repaired(std::string_view bytes) {
  std::string out;
  EXPECT_EQ(append_repaired_utf8(bytes, true, out), bytes.size());
  std::string marked;
  for (size_t at = 0; at < out.size();) {
    const size_t length = first_utf8_unit(std::string_view(out).substr(at)).length_bytes;
    const std::string_view unit = std::string_view(out).substr(at, length);
    marked += unit == "\xEF\xBF\xBD" ? "?" : std::string(unit);
    at += length;
  }
  return marked;
}

TEST(Utf8, EveryCodePointRoundTrips) {
  for (uint32_t code_point = 0; code_point < 0x110000; ++code_point) {
    if (code_point >= 0xD800 && code_point < 0xE000) continue;
    std::string text;
    append_utf8(code_point, text);
    const Utf8Unit unit = first_utf8_unit(text);
    ASSERT_EQ(unit.kind, Utf8Kind::kValid);
    ASSERT_EQ(unit.code_point, code_point);
    ASSERT_EQ(unit.length_bytes, text.size());
    ASSERT_EQ(find_invalid_utf8(text), std::string::npos);
  }
}

TEST(Utf8, FindsWhatIsInvalid) {
  EXPECT_EQ(find_invalid_utf8("abc"), std::string::npos);
  EXPECT_EQ(find_invalid_utf8("a\x80"), 1u);
  EXPECT_EQ(find_invalid_utf8("\xC0\xAF"), 0u);          // overlong
  EXPECT_EQ(find_invalid_utf8("\xE0\x9F\xBF"), 0u);      // overlong
  EXPECT_EQ(find_invalid_utf8("\xED\xA0\x80"), 0u);      // surrogate
  EXPECT_EQ(find_invalid_utf8("\xF4\x90\x80\x80"), 0u);  // above U+10FFFF
  EXPECT_EQ(find_invalid_utf8("ab\xE2\x82"), 2u);        // unfinished
}

// One replacement for each maximal part, the way Rust's from_utf8_lossy and Python's "replace" do
// it.
TEST(Utf8, RepairsMaximalParts) {
  EXPECT_EQ(repaired("\xF0\x9F\x98"), "?");
  EXPECT_EQ(repaired("\xF0\x9F\x98x"), "?x");
  EXPECT_EQ(repaired("\xED\xA0\x80"), "???");
  EXPECT_EQ(repaired("\xE0\x80\xAF"), "???");
  EXPECT_EQ(repaired("\xF4\x91\x92\x93\xFF\x41"), "?????A");
  EXPECT_EQ(repaired("\xE1\x80\xE2\xF0\x91\x92\xF1\xBF\x41"), "????A");
}

TEST(Utf8, LeavesAnUnfinishedCharacterForLater) {
  std::string out;
  EXPECT_EQ(append_repaired_utf8("a\xF0\x9F", false, out), 1u);
  EXPECT_EQ(out, "a");
  EXPECT_EQ(append_repaired_utf8("\xF0\x9F\xFF", false, out), 3u);
}

TEST(Utf8, WhiteSpaceIsTheUnicodeProperty) {
  int count = 0;
  for (uint32_t code_point = 0; code_point < 0x110000; ++code_point) {
    count += is_white_space(code_point);
  }
  EXPECT_EQ(count, 25);
  EXPECT_TRUE(is_white_space(0x85));
  EXPECT_FALSE(is_white_space(0x180E));
  EXPECT_FALSE(is_white_space(0x200B));
  EXPECT_FALSE(is_white_space(0xFEFF));
}

TEST(ByteSymbols, AreABijection) {
  EXPECT_EQ(byte_symbol('A'), 'A');
  EXPECT_EQ(byte_symbol(' '), 0x120u);
  EXPECT_EQ(byte_symbol('\n'), 0x10Au);
  EXPECT_EQ(byte_symbol(0), 0x100u);
  EXPECT_EQ(byte_symbol(173), 0x143u);
  std::string bytes;
  for (int byte = 0; byte < 256; ++byte) {
    bytes.push_back(static_cast<char>(byte));
    EXPECT_EQ(symbol_byte(byte_symbol(static_cast<uint8_t>(byte))), byte);
  }
  std::string symbols;
  append_byte_symbols(bytes, symbols);
  EXPECT_EQ(find_invalid_utf8(symbols), std::string::npos);
  EXPECT_EQ(bytes_of_token(symbols), bytes);
  EXPECT_EQ(symbol_byte(' '), std::nullopt);
  EXPECT_EQ(symbol_byte(0x144), std::nullopt);
}

TEST(ByteSymbols, PlainTextStandsForItself) {
  EXPECT_EQ(bytes_of_token("two words"), "two words");
  EXPECT_EQ(bytes_of_token("Ġé€"), "Ġé€");
}

}  // namespace
}  // namespace bitnetc
