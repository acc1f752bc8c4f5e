#include "frontend/tokenizer/pre_tokenizer.h"

#include <gtest/gtest.h>

namespace bitnetc {
namespace {

using Texts = std::vector<std::string>;

Texts apply(const PreTokenizerStep& step, std::string_view text) {
  TextPieces pieces;
  push_text(pieces.pieces, text);
  const Status status = step.apply(pieces);
  EXPECT_TRUE(status.ok()) << status.message();
  Texts texts;
  for (const TextPiece& piece : pieces.pieces) texts.emplace_back(piece.text);
  return texts;
}

Texts split(std::string_view pattern, SplitBehavior behavior, bool invert, std::string_view text) {
  auto regex = TextPattern::regex(pattern);
  EXPECT_TRUE(regex.ok());
  return apply(*make_split(*std::move(regex), behavior, invert), text);
}

constexpr std::string_view kText = "the-final--countdown";

TEST(Split, Behaviors) {
  EXPECT_EQ(split("-", SplitBehavior::kIsolated, false, kText),
            Texts({"the", "-", "final", "-", "-", "countdown"}));
  EXPECT_EQ(split("-", SplitBehavior::kRemoved, false, kText),
            Texts({"the", "final", "countdown"}));
  EXPECT_EQ(split("-", SplitBehavior::kMergedWithPrevious, false, kText),
            Texts({"the-", "final-", "-", "countdown"}));
  EXPECT_EQ(split("-", SplitBehavior::kMergedWithNext, false, kText),
            Texts({"the", "-final", "-", "-countdown"}));
  EXPECT_EQ(split("-", SplitBehavior::kContiguous, false, kText),
            Texts({"the", "-", "final", "--", "countdown"}));
}

TEST(Split, BehaviorsAtTheEnds) {
  EXPECT_EQ(split("-", SplitBehavior::kMergedWithPrevious, false, "-a-"), Texts({"-", "a-"}));
  EXPECT_EQ(split("-", SplitBehavior::kMergedWithNext, false, "-a-"), Texts({"-a", "-"}));
  EXPECT_EQ(split("-", SplitBehavior::kContiguous, false, "--a"), Texts({"--", "a"}));
  EXPECT_EQ(split("-", SplitBehavior::kRemoved, false, "---"), Texts());
  EXPECT_EQ(split("-", SplitBehavior::kIsolated, false, "plain"), Texts({"plain"}));
}

TEST(Split, InvertSwapsMatchesAndGaps) {
  EXPECT_EQ(split(R"(\p{L}+)", SplitBehavior::kRemoved, true, kText),
            Texts({"the", "final", "countdown"}));
  EXPECT_EQ(split("-", SplitBehavior::kMergedWithPrevious, true, "a--b-c"),
            Texts({"a", "-", "-b", "-c"}));
}

TEST(Split, LiteralPatternsAreNotRegexes) {
  auto pattern = TextPattern::literal("a.");
  ASSERT_TRUE(pattern.ok());
  EXPECT_EQ(apply(*make_split(*std::move(pattern), SplitBehavior::kIsolated, false), "xa.aba."),
            Texts({"x", "a.", "ab", "a."}));
  EXPECT_FALSE(TextPattern::literal("").ok());
}

TEST(Split, LeavesTokensAlone) {
  auto pattern = TextPattern::literal("-");
  ASSERT_TRUE(pattern.ok());
  const auto step = make_split(*std::move(pattern), SplitBehavior::kIsolated, false);
  TextPieces pieces;
  pieces.pieces = {{"a-b"}, {{}, 7}, {"-"}};
  ASSERT_TRUE(step->apply(pieces).ok());
  ASSERT_EQ(pieces.pieces.size(), 5u);
  EXPECT_EQ(pieces.pieces[3].token, 7);
}

TEST(Digits, TogetherOrOneByOne) {
  auto together = make_digits(false);
  auto one_by_one = make_digits(true);
  ASSERT_TRUE(together.ok() && one_by_one.ok());
  EXPECT_EQ(apply(**together, "a12½b3"), Texts({"a", "12½", "b", "3"}));
  EXPECT_EQ(apply(**one_by_one, "a12½b3"), Texts({"a", "1", "2", "½", "b", "3"}));
}

TEST(ByteLevel, SplitsAndWritesSymbols) {
  auto step = make_byte_level(false, true);
  ASSERT_TRUE(step.ok());
  EXPECT_EQ(apply(**step, "I'll  be\n\n é"), Texts({"I", "'ll", "Ġ", "Ġbe", "ĊĊ", "ĠÃ©"}));
  auto prefixed = make_byte_level(true, false);
  ASSERT_TRUE(prefixed.ok());
  EXPECT_EQ(apply(**prefixed, "a b"), Texts({"ĠaĠb"}));
  EXPECT_EQ(apply(**prefixed, " a"), Texts({"Ġa"}));
  EXPECT_EQ(apply(**prefixed, "\ta"), Texts({"Ġĉa"}));
  EXPECT_EQ(apply(**prefixed, ""), Texts());
}

}  // namespace
}  // namespace bitnetc
