#include "frontend/tokenizer/added_tokens.h"

#include <gtest/gtest.h>

#include <algorithm>
#include <random>

namespace bitnetc {
namespace {

// The pieces of `text`: "[id]" for tokens, the text itself otherwise.
std::vector<std::string> cut(const std::vector<AddedToken>& tokens, std::string_view text) {
  std::vector<AddedTokenMatcher::Entry> entries;
  for (const AddedToken& token : tokens) entries.push_back({token.content, token});
  auto matcher = AddedTokenMatcher::create(std::move(entries));
  EXPECT_TRUE(matcher.ok()) << matcher.status().message();
  TextPieces pieces;
  push_text(pieces.pieces, text);
  EXPECT_TRUE(matcher->cut(pieces).ok());
  std::vector<std::string> texts;
  for (const TextPiece& piece : pieces.pieces) {
    texts.push_back(piece.is_token() ? fmt::format("[{}]", piece.token) : std::string(piece.text));
  }
  return texts;
}

AddedToken token(int32_t id, std::string content) {
  AddedToken token;
  token.id = id;
  token.content = std::move(content);
  return token;
}

using Texts = std::vector<std::string>;

TEST(AddedTokens, LeftmostThenLongest) {
  const std::vector<AddedToken> tokens = {token(1, "ab"), token(2, "abc"), token(3, "bcd"),
                                          token(4, "a")};
  EXPECT_EQ(cut(tokens, "xabcdabab!a"), Texts({"x", "[2]", "d", "[1]", "[1]", "!", "[4]"}));
  EXPECT_EQ(cut(tokens, "bcdbc"), Texts({"[3]", "bc"}));
  EXPECT_EQ(cut(tokens, ""), Texts());
  EXPECT_EQ(cut({}, "abc"), Texts({"abc"}));
}

TEST(AddedTokens, SingleWordsTouchNoWordCharacter) {
  AddedToken word = token(1, "the");
  word.single_word = true;
  EXPECT_EQ(cut({word}, "the then bathe-the. _the"),
            Texts({"[1]", " then bathe-", "[1]", ". _the"}));
  EXPECT_EQ(cut({word}, "éthe the\xE2\x80\x8D the"), Texts({"éthe the\xE2\x80\x8D ", "[1]"}));
}

TEST(AddedTokens, StripSwallowsWhiteSpace) {
  AddedToken left = token(1, "<l>");
  left.lstrip = true;
  AddedToken right = token(2, "<r>");
  right.rstrip = true;
  EXPECT_EQ(cut({left, right},
                "a \n\xC2\x85<l> b <r>\t\xE3\x80\x80"
                "c"),
            Texts({"a", "[1]", " b ", "[2]", "c"}));
  EXPECT_EQ(cut({left, right}, "<r>  <l>  "), Texts({"[2]", "[1]", "  "}));
  EXPECT_EQ(cut({left, right}, "  <l>"), Texts({"[1]"}));
  EXPECT_EQ(cut({right, token(3, "  ")}, "<r>    b"), Texts({"[2]", "[3]", "[3]", "b"}));
}

// White space that one token swallowed may still hold others; their own end counts.
TEST(AddedTokens, StripMeetsTokensOfWhiteSpace) {
  AddedToken right = token(1, " \t");
  right.rstrip = true;
  EXPECT_EQ(cut({right, token(2, "  ")}, " \t   \t b"), Texts({"[1]", "[2]", "[1]", "b"}));
  EXPECT_EQ(cut({right, token(2, "  ")}, "x \t \t \n y"), Texts({"x", "[1]", "[1]", "y"}));
}

TEST(AddedTokens, RefusesAbsurdlyLongTexts) {
  const std::string half(PatternSet::kMaxPatternBytes / 2, 'x');
  auto matcher = AddedTokenMatcher::create({{half + "a", token(1, "A")}, {half, token(2, "B")}});
  ASSERT_FALSE(matcher.ok());
  EXPECT_EQ(matcher.status().code(), StatusCode::kUnsupported);
  EXPECT_EQ(matcher.status().message(),
            "added_tokens: texts of 16777217 bytes in all: expected at most 16777216");
}

TEST(AddedTokens, RefusesTwins) {
  auto matcher = AddedTokenMatcher::create({{"x", token(1, "X")}, {"x", token(2, "x")}});
  ASSERT_FALSE(matcher.ok());
  EXPECT_EQ(matcher.status().message(), "added_tokens: ids 1 and 2 are both found as \"x\"");
}

TEST(AddedTokens, EqualsANaiveSearch) {
  std::mt19937 random(3);
  const auto random_text = [&](size_t max_length) {
    std::string text;
    for (size_t i = random() % max_length + 1; i > 0; --i) text += "abc"[random() % 3];
    return text;
  };
  for (int round = 0; round < 500; ++round) {
    std::vector<AddedToken> tokens;
    for (int32_t id = 0; id < 6; ++id) {
      const std::string content = random_text(4);
      const bool is_new = std::none_of(tokens.begin(), tokens.end(), [&](const AddedToken& other) {
        return other.content == content;
      });
      if (is_new) tokens.push_back(token(id, content));
    }
    const std::string text = random_text(40);
    Texts expected;
    std::string gap;
    for (size_t at = 0; at < text.size();) {
      const AddedToken* best = nullptr;
      for (const AddedToken& t : tokens) {
        const bool fits = text.compare(at, t.content.size(), t.content) == 0;
        if (fits && (best == nullptr || t.content.size() > best->content.size())) best = &t;
      }
      if (best == nullptr) {
        gap += text[at++];
        continue;
      }
      if (!gap.empty()) expected.push_back(std::exchange(gap, ""));
      expected.push_back(fmt::format("[{}]", best->id));
      at += best->content.size();
    }
    if (!gap.empty()) expected.push_back(gap);
    ASSERT_EQ(cut(tokens, text), expected) << text;
  }
}

}  // namespace
}  // namespace bitnetc
