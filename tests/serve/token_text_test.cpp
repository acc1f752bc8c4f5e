// Tokens as text: stop strings over tokens, held back text, the bytes of entries.
#include "tools/serve/api/token_text.h"

#include <gtest/gtest.h>

#include <cmath>

#include "tests/serve/api_fixture.h"

namespace bitnetc::serve::test {
namespace {

class TokenText : public ApiFixture {
 protected:
  // Everything that comes out, in the order of tokens; entries' bytes are the text.
  Piece write(const std::vector<int32_t>& tokens, std::vector<std::string> stops,
              size_t* pushed = nullptr) {
    TextWriter writer(*tokenizer_, {}, std::move(stops));
    Piece all;
    const auto add = [&](Piece piece) {
      std::string bytes;
      for (TokenEntry& each : piece.entries) {
        bytes += each.bytes;
        all.entries.push_back(std::move(each));
      }
      all.text += piece.text;
    };
    size_t count = 0;
    for (const int32_t id : tokens) {
      ++count;
      add(writer.push({.id = id}));
      if (!writer.stop().empty()) break;
    }
    add(writer.finish());
    if (pushed) *pushed = count;
    std::string bytes;
    for (const TokenEntry& each : all.entries) bytes += each.bytes;
    EXPECT_EQ(bytes, all.text);
    return all;
  }
};

TEST_F(TokenText, WholeCharactersOnlyAndAllOfThem) {
  for (const std::string text :
       {"Once upon a time", "größer als 🦊👩‍👩‍👧 and e\u0301", "狐狸和猫",
        "שלום"}) {
    EXPECT_EQ(write(ids(text), {}).text, text);
    TextWriter writer(*tokenizer_, {}, {});
    for (const int32_t id : ids(text)) {
      const Piece piece = writer.push({.id = id});
      const bool cuts_nothing =
          piece.text.empty() || (static_cast<unsigned char>(piece.text[0]) & 0xc0) != 0x80;
      EXPECT_TRUE(cuts_nothing) << piece.text;
    }
  }
}

TEST_F(TokenText, AnUnfinishedCharacterIsReplacedAtTheEnd) {
  auto tokens = ids("🦊");
  ASSERT_GT(tokens.size(), 1u);
  tokens.pop_back();
  EXPECT_EQ(write(tokens, {}).text, "\uFFFD");
}

TEST_F(TokenText, StopStringsOverTokensCutTheTextAndItsEntries) {
  const auto tokens = ids("Once upon a time there was a king. The end of it");
  EXPECT_EQ(write(tokens, {"a time there"}).text, "Once upon ");
  EXPECT_EQ(write(tokens, {"Once"}).text, "");
  EXPECT_EQ(write(tokens, {"king", "ing", "a k"}).text, "Once upon a time there was ");
  EXPECT_EQ(write(tokens, {"<|end_of_text|>"}).text,
            "Once upon a time there was a king. The end of it");
  // What may begin a stop string is held back, and comes when it does not.
  EXPECT_EQ(write(tokens, {"of it!", "it is"}).text,
            "Once upon a time there was a king. The end of it");
  size_t pushed = 0;
  write(tokens, {"upon"}, &pushed);
  EXPECT_LT(pushed, tokens.size());
}

TEST_F(TokenText, SilentTokensAreTheLast) {
  TextWriter writer(*tokenizer_, {}, {});
  auto fox = ids("🦊");
  fox.pop_back();
  for (const int32_t id : fox) writer.push({.id = id});
  writer.push_silent({.id = kEndOfText});
  const Piece rest = writer.finish();
  EXPECT_EQ(rest.text, "\uFFFD");
  ASSERT_EQ(rest.entries.size(), fox.size() + 1);
  EXPECT_FALSE(rest.entries.back().is_text);
  EXPECT_EQ(rest.entries.back().bytes, "");
}

TEST_F(TokenText, ScoresAreLogarithmsOfTheSoftmax) {
  const std::vector<float> logits = {0.0f, 2.0f, 1.0f, 2.0f};
  const double sum = 1 + 2 * std::exp(2.0) + std::exp(1.0);
  const TokenEntry entry = score_token(logits, 2, 3);
  EXPECT_NEAR(*entry.logprob, 1 - std::log(sum), 1e-12);
  ASSERT_EQ(entry.top.size(), 3u);
  EXPECT_EQ(entry.top[0].id, 1);
  EXPECT_EQ(entry.top[1].id, 3);
  EXPECT_EQ(entry.top[2].id, 2);
  EXPECT_EQ(entry.top[2].logprob, *entry.logprob);  // the same number
  EXPECT_EQ(score_token(logits, 0, 99).top.size(), 4u);
}

TEST_F(TokenText, TokensAreSpelledAsBehindOthers) {
  const TokenSpeller speller(*tokenizer_);
  EXPECT_EQ(speller.spell(ids(" time")[0]), " time");
  EXPECT_EQ(speller.spell(kEndOfText), "<|end_of_text|>");
}

}  // namespace
}  // namespace bitnetc::serve::test
