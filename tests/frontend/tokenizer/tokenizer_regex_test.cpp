#include "frontend/tokenizer/tokenizer_regex.h"

#include <gtest/gtest.h>

#include "frontend/tokenizer/regex_dialect.h"

namespace bitnetc {
namespace {

std::vector<std::string> matches(std::string_view pattern, std::string_view text) {
  auto regex = TokenizerRegex::compile(pattern);
  EXPECT_TRUE(regex.ok()) << regex.status().message();
  if (!regex.ok()) return {"(failed)"};
  RegexSearch search(*regex);
  std::vector<TextRange> ranges;
  const Status status = search.find_all(text, ranges);
  EXPECT_TRUE(status.ok()) << status.message();
  std::vector<std::string> found;
  for (const TextRange& range : ranges) {
    found.emplace_back(text.substr(range.begin, range.end - range.begin));
  }
  return found;
}

using Texts = std::vector<std::string>;

TEST(RegexDialect, RewritesWhatPcre2ReadsDifferently) {
  EXPECT_EQ(matches(R"(\s)", "a\xE1\xA0\x8E b\xC2\x85"), Texts({" ", "\xC2\x85"}));
  EXPECT_EQ(matches(R"([\S]+)", "\xE1\xA0\x8E b"), Texts({"\xE1\xA0\x8E", "b"}));
  EXPECT_EQ(matches(R"([^\s]+)", "x\xE3\x80\x80y"), Texts({"x", "y"}));
  EXPECT_EQ(matches(R"(\u3042|\x{1F600}|\x41)", "あA😀"), Texts({"あ", "A", "😀"}));
  EXPECT_EQ(matches(R"([\u3042-\u3044]+)", "あいう"), Texts({"あい"}));
  // U+30FC is Common by Script and Hiragana, Katakana by Script_Extensions.
  EXPECT_EQ(matches(R"(\p{Hiragana}+)", "あーい"), Texts({"あ", "い"}));
}

TEST(RegexDialect, KeepsTheCommonPart) {
  EXPECT_EQ(matches(R"((?i:'s|k))", "'S 'ſ \xE2\x84\xAA"), Texts({"'S", "'ſ", "\xE2\x84\xAA"}));
  EXPECT_EQ(matches(R"([^\r\n\p{L}\p{N}]?\p{L}+)", " ab-é\nc"), Texts({" ab", "-é", "c"}));
  EXPECT_EQ(matches(R"(\p{N}{1,3})", "12345"), Texts({"123", "45"}));
  EXPECT_EQ(matches(R"(a++|b*?c|[-\]x]{2,}?)", "aaabbc]-x"), Texts({"aaa", "bbc", "]-"}));
  EXPECT_EQ(matches(".", "a\n\r\xE2\x80\xA8"), Texts({"a", "\r", "\xE2\x80\xA8"}));
  EXPECT_EQ(matches("x*", "axb"), Texts({"", "x", ""}));
  EXPECT_EQ(matches(R"((?<=a)b|(?<!a)c|d(?=e)|d(?!f))", "abaccdedfd"), Texts({"b", "c", "d", "d"}));
}

TEST(RegexDialect, RefusesWhatItCannotKeep) {
  const struct {
    const char* pattern;
    const char* message;
  } kCases[] = {
      {"^a", "the anchor ^ at offset 0"},
      {"a$", "the anchor $ at offset 1"},
      {R"(\w+)", R"(the escape \w at offset 0)"},
      {R"(a\b)", R"(the escape \b at offset 1)"},
      {R"((a)\1)", R"(the escape \1 at offset 3)"},
      {"[a[bc]]", "a nested class at offset 2"},
      {"[[:alpha:]]", "a nested class at offset 1"},
      {"[a-z&&b]", "an intersection of classes at offset 4"},
      {"[]a]", "an empty class at offset 0"},
      {"[ab", "an unclosed class at offset 0"},
      {R"([a-\s])", "an unusual range"},
      {R"([\s-z])", "an unusual range"},
      {"[a-b-c]", "an unusual range"},
      {"(?i)a", "an unusual group at offset 0"},
      {"(*UTF)a", "an unusual group at offset 0"},
      {"(?P<n>a)", "an unusual group at offset 0"},
      {"a**", "* without anything simple to repeat at offset 2"},
      {"a{2}{3}", "{ without anything simple to repeat at offset 4"},
      {"a{,3}", "an unusual { at offset 1"},
      {"a{", "an unusual { at offset 1"},
      {"a{2}?", "? behind {..} at offset 1"},
      {"a{2,3}+", "+ behind {..} at offset 1"},
      {"(a", "a missing ) at offset 2"},
      {"a)", "an unmatched ) at offset 1"},
      {R"(\pL)", "a property without {} at offset 0"},
      {R"(\p{L&})", "an unusual property name at offset 0"},
      {R"(\xE9)", "a raw byte at offset 0"},
      {R"(\u12)", "an unusual code point at offset 0"},
      {"(?i:é)", "a non-ASCII character inside (?i: at offset 4"},
      {R"((?i:\u00e9))", "a non-ASCII character inside (?i: at offset 4"},
      {R"((?i:\p{Lu}))", "a property inside (?i: at offset 4"},
      {"(?i:paSs)", "Ss inside (?i: at offset 7"},
      {"a\\", "the escape"},
  };
  for (const auto& [pattern, message] : kCases) {
    const auto translated = pcre2_pattern(pattern);
    ASSERT_FALSE(translated.ok()) << pattern;
    EXPECT_EQ(translated.status().code(), StatusCode::kUnsupported);
    EXPECT_NE(translated.status().message().find(message), std::string::npos)
        << pattern << ": " << translated.status().message();
  }
}

TEST(TokenizerRegex, NamesWhatPcre2Refuses) {
  const auto regex = TokenizerRegex::compile(R"(a\p{Klingon})");
  ASSERT_FALSE(regex.ok());
  EXPECT_EQ(regex.status().code(), StatusCode::kUnsupported);
  EXPECT_NE(regex.status().message().find("PCRE2 refuses the regex at"), std::string::npos);
}

TEST(TokenizerRegex, GivesUpWithAnErrorNotWithAnAnswer) {
  auto regex =
      TokenizerRegex::compile("(?:a|a)+[bd]");  // exponential on a run of a without a b or d
  ASSERT_TRUE(regex.ok());
  RegexSearch search(*regex);
  std::vector<TextRange> ranges;
  const Status status = search.find_all(std::string(64, 'a') + "c", ranges);
  ASSERT_FALSE(status.ok());
  EXPECT_EQ(status.code(), StatusCode::kUnsupported);
  EXPECT_NE(status.message().find("match limit"), std::string::npos) << status.message();
}

TEST(TokenizerRegex, SurvivesLongRuns) {
  const std::string spaces(3'000'000, ' ');
  EXPECT_EQ(matches(R"(\s*[\r\n]+|\s+(?!\S)|\s+)", spaces), Texts({spaces}));
  EXPECT_EQ(matches(R"(\s*[\r\n]+|\s+(?!\S)|\s+)", spaces + "x"), Texts({spaces.substr(1), " "}));
}

}  // namespace
}  // namespace bitnetc
